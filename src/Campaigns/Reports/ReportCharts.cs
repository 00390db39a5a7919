using System.Globalization;
using System.Text;
using Campaigns.Calendar;
using Campaigns.Json;

namespace Campaigns.Reports;

/// <summary>The page's charts as inline SVG. Treated is dark and full, held out is light with a dark edge: they differ
/// without colour too.</summary>
internal static class ReportCharts
{
    private const int Width = 480;
    private const string Dark = "#1f4e79";
    private const string Middle = "#9db7d1";
    private const string Light = "#dfe8f1";
    private static readonly CultureInfo Plain = CultureInfo.InvariantCulture;

    public static string Funnel(CampaignReport report, ReportWords words)
    {
        const int row = 30;
        var most = Math.Max(1, report.Funnel.Max(step => step.Unique));
        var chart = Begin(row * report.Funnel.Count, words["funnel"]);
        foreach (var (step, index) in report.Funnel.Select((step, index) => (step, index)))
        {
            var length = 310.0 * step.Unique / most;
            var y = index * row;
            Label(chart, 92, y + 19, words[step.Metric], "end");
            var metric = $"funnel.{index}.unique";
            Bar(chart, 100, y + 4, length, row - 8, Dark, metric);
            Label(chart, 106 + length, y + 19, ReportPage.Count(step.Unique), "start", metric);
        }

        return End(chart);
    }

    /// <summary>Send windows that the timetable draws; its table has all.</summary>
    public const int MostWindows = 40;

    /// <summary>The interval of the difference that holds at this look, on a scale with 0.</summary>
    public static string Lift(CampaignReport report, ReportWords words)
    {
        var (name, difference) = report.IsOver
            ? ("difference", report.Lift.Difference)
            : ("sequence", report.Lift.Sequence);
        if (difference is not { Value: { } value, Low: { } low, High: { } high })
        {
            return "";
        }

        var (from, to) = (Math.Min(low, 0) * 100, Math.Max(high, 0) * 100);
        var margin = Math.Max((to - from) * 0.1, 0.01);
        (from, to) = (from - margin, to + margin);
        double X(double points) => 40 + (Width - 80) * (points - from) / (to - from);
        var chart = Begin(110, words[name]);
        Line(chart, 40, 70, Width - 40, 70, "#888", 1);
        foreach (var tick in Ticks(from, to))
        {
            Line(chart, X(tick), 66, X(tick), 74, "#888", 1);
            Label(chart, X(tick), 92, tick.ToString("+0.##;−0.##;0", Plain), "middle");
        }

        Line(chart, X(0), 18, X(0), 74, "#000", 1.5);
        Line(chart, X(low * 100), 44, X(high * 100), 44, Dark, 4);
        Line(chart, X(low * 100), 34, X(low * 100), 54, Dark, 2);
        Line(chart, X(high * 100), 34, X(high * 100), 54, Dark, 2);
        chart.Append($"<circle cx=\"{N(X(value * 100))}\" cy=\"44\" r=\"7\" fill=\"{Dark}\"/>");
        Label(
            chart,
            X(value * 100),
            24,
            (value * 100).ToString("+0.00;−0.00;0.00", Plain),
            "middle",
            $"lift.{name}.value"
        );
        return End(chart);
    }

    /// <summary>Share of each arm that has converted, by day, added up.</summary>
    public static string Days(CampaignReport report, ReportWords words)
    {
        const int bottom = 210;
        var (treated, control) = (report.Lift.Treated.Customers, report.Lift.Control.Customers);
        var dark = Shares(report.ByDay.Select(day => day.Treated.Converted), treated);
        var light = Shares(report.ByDay.Select(day => day.Control.Converted), control);
        var most = Math.Max(dark.Concat(light).Append(0).Max() * 100, 0.01);
        var step = (Width - 70.0) / report.ByDay.Count;
        double Y(double percent) => bottom - 180 * percent / most;
        var chart = Begin(270, $"{words["byDay"]}: {words["treated"]}, {words["control"]}");
        foreach (var tick in Ticks(0, most))
        {
            Line(chart, 50, Y(tick), Width - 10, Y(tick), "#ddd", 1);
            Label(chart, 44, Y(tick) + 4, tick.ToString("0.##", Plain) + "%", "end");
        }

        var every = Math.Max(1, (int)Math.Ceiling(report.ByDay.Count / 7.0));
        for (var i = 0; i < report.ByDay.Count; i++)
        {
            var x = 55 + i * step;
            var bar = Math.Min(step * 0.4, 40);
            Bar(chart, x, Y(dark[i] * 100), bar, bottom - Y(dark[i] * 100), Dark);
            Bar(chart, x + bar, Y(light[i] * 100), bar, bottom - Y(light[i] * 100), Light);
            if (i % every == 0)
            {
                Label(chart, x + bar, bottom + 18, report.ByDay[i].Day.ToString("MM-dd", Plain), "middle");
            }
        }

        Legend(chart, 250, new(words["treated"], Dark), new(words["control"], Light));
        return End(chart);
    }

    /// <summary>A line a send window: a bar as long as its touches, dark as far as they have gone.</summary>
    public static string Timetable(CampaignReport report, ReportWords words)
    {
        const int row = 26;
        var shown = report.ByWindow.Take(MostWindows).ToList();
        var most = Math.Max(1, shown.Max(window => window.Sent.Touches + window.Control.Customers));
        var chart = Begin(row * shown.Count + 30, words["timetable"]);
        foreach (var (window, index) in shown.Select((window, index) => (window, index)))
        {
            var y = index * row;
            var sent = 265.0 * window.Sent.Touches / most;
            var held = 265.0 * window.Control.Customers / most;
            var metric = $"byWindow.{index}.sent.touches";
            Label(chart, 84, y + 17, Hour(window), "end");
            Label(chart, 94, y + 17, words[ProductJson.NameOf(window.Channel)], "start");
            var gone = 265.0 * window.Sent.Attempted / most;
            Bar(chart, 155, y + 4, sent, row - 8, Middle, metric);
            Bar(chart, 155, y + 4, gone, row - 8, Dark, $"byWindow.{index}.sent.attempted");
            Bar(chart, 155 + sent, y + 4, held, row - 8, Light, $"byWindow.{index}.control.customers");
            Label(chart, 161 + sent + held, y + 17, ReportPage.Count(window.Sent.Touches), "start", metric);
        }

        Legend(
            chart,
            row * shown.Count + 10,
            new(words["touches"], Middle),
            new(words["attempted"], Dark),
            new(words["heldOut"], Light)
        );
        return End(chart);
    }

    public static string Ledger(ReportLedger ledger, ReportWords words)
    {
        var suppressed = ledger.Suppressed.Values.Sum();
        var audience = Math.Max(1, ledger.Audience);
        (string Name, long Count, string Fill)[] parts =
        [
            ("touches", ledger.Touches, Dark),
            ("heldOut", ledger.HeldOut, Light),
            ("heldOutGlobal", ledger.HeldOutGlobal, Middle),
            ("suppressed", suppressed, "#fff"),
        ];
        var chart = Begin(100, words["ledger"]);
        var x = 1.0;
        foreach (var (name, count, fill) in parts)
        {
            var length = (Width - 2.0) * count / audience;
            Bar(chart, x, 4, length, 34, fill, "ledger." + name);
            x += length;
        }

        Legend(
            chart,
            50,
            [
                .. parts
                    .Where(part => part.Count > 0)
                    .Select(part => new Entry(words[part.Name], part.Fill, part.Count, "ledger." + part.Name)),
            ]
        );
        return End(chart);
    }

    internal static string Hour(WindowResult window) => InBank(window.OpensAt).ToString("MM-dd HH:mm", Plain);

    /// <summary>In the bank's zone.</summary>
    internal static DateTimeOffset InBank(DateTimeOffset at)
    {
        var local = TimeZones.ToLocal(TimeZones.Bank, at);
        return new DateTimeOffset(local, local - at.UtcDateTime);
    }

    private static double[] Shares(IEnumerable<long> counts, long of)
    {
        var sum = 0L;
        return [.. counts.Select(count => of == 0 ? 0 : (double)(sum += count) / of)];
    }

    private static readonly int[] Steps = [1, 2, 5, 10];

    /// <summary>Round numbers, four or five of them.</summary>
    private static IEnumerable<double> Ticks(double from, double to)
    {
        var rough = (to - from) / 4;
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step = Steps.Select(factor => factor * power).First(size => size >= rough * 0.999);
        for (var tick = Math.Ceiling(from / step); tick * step <= to; tick++)
        {
            yield return tick * step;
        }
    }

    private static StringBuilder Begin(int height, string title) =>
        new StringBuilder().Append(
            $"<svg viewBox=\"0 0 {Width} {height}\" role=\"img\" aria-label=\"{ReportPage.Text(title)}\">"
                + $"<title>{ReportPage.Text(title)}</title>"
        );

    private static string End(StringBuilder chart) => chart.Append("</svg>").ToString();

    /// <summary>What a fill means, and how many.</summary>
    private sealed record Entry(string Name, string Fill, long? Count = null, string? Metric = null);

    private static void Legend(StringBuilder chart, int y, params Entry[] entries)
    {
        var x = 10.0;
        foreach (var entry in entries)
        {
            var count = entry.Count is { } number ? ReportPage.Count(number) : "";
            var width = 48 + $"{entry.Name} {count}".Sum(letter => letter > 0xff ? 13.5 : 7.2);
            if (x + width > Width + 20)
            {
                (x, y) = (10, y + 24);
            }

            Bar(chart, x, y, 14, 14, entry.Fill);
            chart.Append($"<text x=\"{N(x + 20)}\" y=\"{y + 12}\">{ReportPage.Text(entry.Name)}");
            chart.Append(entry.Metric is { } metric ? $" <tspan{Of(metric)}>{count}</tspan></text>" : "</text>");
            x += width;
        }
    }

    private static void Bar(
        StringBuilder chart,
        double x,
        double y,
        double width,
        double height,
        string fill,
        string? metric = null
    ) =>
        chart.Append(
            $"<rect x=\"{N(x)}\" y=\"{N(y)}\" width=\"{N(Math.Max(width, 0))}\" height=\"{N(Math.Max(height, 0))}\" "
                + $"fill=\"{fill}\" stroke=\"{Dark}\"{Of(metric)}/>"
        );

    private static void Line(
        StringBuilder chart,
        double x1,
        double y1,
        double x2,
        double y2,
        string stroke,
        double width
    ) =>
        chart.Append(
            $"<line x1=\"{N(x1)}\" y1=\"{N(y1)}\" x2=\"{N(x2)}\" y2=\"{N(y2)}\" stroke=\"{stroke}\" "
                + $"stroke-width=\"{N(width)}\"/>"
        );

    /// <param name="metric">Where the text is a figure of the report: its path, as in <see cref="ReportCell"/>.</param>
    private static void Label(
        StringBuilder chart,
        double x,
        double y,
        string text,
        string anchor,
        string? metric = null
    ) =>
        chart.Append(
            $"<text x=\"{N(x)}\" y=\"{N(y)}\" text-anchor=\"{anchor}\"{Of(metric)}>{ReportPage.Text(text)}</text>"
        );

    private static string Of(string? metric) => metric is null ? "" : $" data-metric=\"{ReportPage.Text(metric)}\"";

    private static string N(double number) => number.ToString("0.##", Plain);
}
