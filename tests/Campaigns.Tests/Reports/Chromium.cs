using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Campaigns.Json;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Reports;

/// <summary>A page as it is shown.</summary>
/// <param name="Requests">Addresses that were asked, the page's own first.</param>
/// <param name="Complaints">What the browser wrote to its console.</param>
/// <param name="Unnamed">Cells with digits that carry no metric.</param>
/// <param name="Printed">Whether tables that are folded on the screen are seen in print.</param>
/// <param name="WiderThanTheScreen">Pixels that one would have to scroll sideways.</param>
internal sealed record ShownPage(
    string Language,
    string Text,
    DateTimeOffset Through,
    IReadOnlyList<ShownFigure> Figures,
    IReadOnlyList<IReadOnlyList<ShownBar>> Bars,
    IReadOnlyList<string> Requests,
    IReadOnlyList<string> Complaints,
    IReadOnlyList<string> Unnamed,
    bool Printed,
    double WiderThanTheScreen
);

/// <param name="Metric">Path in the report's JSON.</param>
internal sealed record ShownFigure(string Metric, string Text, bool Seen);

/// <inheritdoc cref="ShownFigure"/>
internal sealed record ShownBar(string Metric, double Length);

/// <summary>Chromium without a window, led by playwright-core (npm).</summary>
internal static class Chromium
{
    private static readonly string[] Browsers = ["chromium", "chromium-browser", "google-chrome"];

    private static string Folder =>
        Path.Combine(Repository.RootOrNull ?? "", "tests", "Campaigns.Tests", "Reports", "browser");

    /// <summary>What has to be installed first; null where a page can be shown.</summary>
    public static string? Missing =>
        Find("node") is null ? "Node.js is not installed."
        : Browsers.All(name => Find(name) is null) ? "Chromium is not installed."
        : !Directory.Exists(Path.Combine(Folder, "node_modules", "playwright-core"))
            ? "playwright-core is not installed: npm install --prefix tests/Campaigns.Tests/Reports/browser"
        : null;

    /// <param name="width">Of the screen, in pixels.</param>
    public static async Task<ShownPage> ShowAsync(Uri page, int width)
    {
        var browser = Browsers.Select(Find).First(path => path is not null)!;
        string[] arguments =
        [
            "report-page.mjs",
            browser,
            page.AbsoluteUri,
            width.ToString(CultureInfo.InvariantCulture),
        ];
        using var node = Process.Start(
            new ProcessStartInfo("node", arguments)
            {
                WorkingDirectory = Folder,
                RedirectStandardOutput = true,
                UseShellExecute = false,
            }
        )!;
        var shown = await node.StandardOutput.ReadToEndAsync();
        await node.WaitForExitAsync();
        Assert.True(node.ExitCode == 0, $"node ended with {node.ExitCode}");
        return JsonSerializer.Deserialize<ShownPage>(shown, ProductJson.Options)!;
    }

    private static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator)
            .Select(folder => Path.Combine(folder, program))
            .FirstOrDefault(File.Exists);
}

/// <summary>A fact about a page in a browser, skipped where there is none.</summary>
public sealed class ChromiumFactAttribute : FactAttribute
{
    public ChromiumFactAttribute() => Skip = Chromium.Missing;
}
