// Opens a report's page in Chromium and tells, as JSON, every figure that is shown and every request that was made.
import { chromium } from "playwright-core";

const [executablePath, url, width] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage({ viewport: { width: Number(width), height: 900 } });
  const requests = [];
  const complaints = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => complaints.push(message.text()));
  await page.goto(url);
  await page.emulateMedia({ media: "print" });
  const printed = await page.$$eval("details table", (all) => all.every((one) => one.checkVisibility()));
  await page.emulateMedia({ media: "screen" });
  await page.$$eval("details", (all) => all.forEach((one) => (one.open = true)));
  const shown = await page.evaluate(() => {
    const all = (selector) => [...document.querySelectorAll(selector)];
    const metric = (element) => element.getAttribute("data-metric");
    return {
      language: document.documentElement.lang,
      text: document.body.innerText,
      through: document.querySelector("time").dateTime,
      figures: all("[data-metric]:not(rect)").map((element) => ({
        metric: metric(element),
        text: element.textContent.trim(),
        seen: element.getBoundingClientRect().width > 0,
      })),
      bars: all("svg").map((chart) =>
        [...chart.querySelectorAll("rect[data-metric]")].map((bar) => ({
          metric: metric(bar),
          length: bar.width.baseVal.value,
        })),
      ),
      unnamed: all("td")
        .filter((cell) => /\d/.test(cell.textContent) && !cell.querySelector("[data-metric]"))
        .map((cell) => cell.textContent),
      widerThanTheScreen: document.documentElement.scrollWidth - window.innerWidth,
    };
  });
  console.log(JSON.stringify({ ...shown, printed, requests, complaints }));
} finally {
  await browser.close();
}
