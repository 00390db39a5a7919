using System.Globalization;
using System.Text.Json;
using Campaigns.Access;
using Campaigns.Reports;
using Campaigns.Tests.Outcomes;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Reports;

/// <summary>The page as a browser shows it, against the JSON of the same report.</summary>
public sealed class ReportPageTests
{
    private const string Path = "/v1/campaigns/savings/report";
    private static readonly Dictionary<string, string> Units = Metrics.All.ToDictionary(
        metric => metric.Name,
        metric => metric.Unit
    );

    [ChromiumFact]
    public async Task Every_figure_of_the_page_is_that_of_the_JSON()
    {
        await using var given = await GivenReports.OfEventAsync();
        await AssertAgreedAsync(given, "&attribution=last&notCausal=true", figures: 100);
    }

    [ChromiumFact]
    public async Task Every_figure_of_a_number_goals_page_is_that_of_the_JSON()
    {
        await using var given = await GivenReports.OfNumberAsync();
        await AssertAgreedAsync(given, "", figures: 66);
    }

    [ChromiumFact]
    public async Task A_page_with_nobody_held_out_and_nothing_sent_says_why_figures_are_missing()
    {
        await using var given = await GivenArms.CreateAsync(treated: 5, heldOut: 0);
        await AssertAgreedAsync(given, "", figures: 40);
    }

    private static async Task AssertAgreedAsync(GivenArms given, string question, int figures)
    {
        await using var host = await ApiHost.StartAsync(given.Database);
        var instant = await given.AskAsync<DateTime>("SELECT clock_timestamp()");
        var query = $"asOf={instant.ToUniversalTime():O}{question}";
        var json = await host.As(Role.Analyst).GetStringAsync(new Uri($"{Path}?{query}", UriKind.Relative));
        using var report = JsonDocument.Parse(json);
        var link = await host.As(Role.Analyst)
            .PostAsync<object>($"{Path}/link?{query}", new { })
            .ReadAsync<Campaigns.Api.Auth.SignedLink>();

        foreach (var (language, width) in new[] { ("en", 1280), ("zh-CN", 390) })
        {
            var url = new Uri(host.Address, $"{link.Url}&format=html&lang={language}");
            var page = await Chromium.ShowAsync(url, width);

            Assert.Equal(language, page.Language);
            Assert.Equal([url.AbsoluteUri], page.Requests);
            Assert.Empty(page.Complaints);
            Assert.Empty(page.Unnamed);
            Assert.True(page.Printed);
            Assert.True(page.WiderThanTheScreen <= 0, $"{page.WiderThanTheScreen} pixels wider than {width}");
            Assert.Equal(report.RootElement.GetProperty("computedThrough").GetDateTimeOffset(), page.Through);
            Assert.True(page.Figures.Count >= figures, $"{page.Figures.Count} figures");
            Assert.All(page.Figures, figure => Assert.Equal("", Difference(figure, report.RootElement)));
            Assert.All(page.Bars, chart => AssertInProportion(chart, report.RootElement));
            Assert.Equal(language == "zh-CN", page.Text.Contains("转化漏斗", StringComparison.Ordinal));
        }
    }

    /// <summary>What is wrong with a figure; empty where it is the JSON's, rounded to the digits shown.</summary>
    private static string Difference(ShownFigure shown, JsonElement report)
    {
        var expected = Find(shown.Metric, report);
        var text = shown
            .Text.Replace('−', '-')
            .Replace(",", "", StringComparison.Ordinal)
            .Replace(" %", "", StringComparison.Ordinal);
        var agrees = expected switch
        {
            null => text.StartsWith('–'),
            { } p when text.StartsWith("< ", StringComparison.Ordinal) => p < Parse(text[2..]),
            { } number => double.TryParse(text, CultureInfo.InvariantCulture, out var read)
                && Math.Abs(read - (number * Scale(shown.Metric))) <= (0.5 * Digit(text)) + 1e-9,
        };
        return agrees && shown.Seen ? "" : $"{shown.Metric} is {expected}, shown is '{shown.Text}' ({shown.Seen})";
    }

    /// <summary>The figure at a path of the JSON, <c>a/b</c> a quotient of two; null where there is none.</summary>
    private static double? Find(string path, JsonElement report) =>
        path.Split('/') switch
        {
            [var part, var whole] => Find(part, report) / Find(whole, report),
            _ => Sum(path.Split('.').Aggregate((JsonElement?)report, (json, name) => Member(json, name))),
        };

    private static JsonElement? Member(JsonElement? json, string name) =>
        json switch
        {
            { ValueKind: JsonValueKind.Array } list => list[int.Parse(name, CultureInfo.InvariantCulture)],
            { ValueKind: JsonValueKind.Object } one when one.TryGetProperty(name, out var member) => member,
            _ => null,
        };

    /// <summary>Of an object, such as the suppressed by reason, what its members add up to.</summary>
    private static double? Sum(JsonElement? json) =>
        json switch
        {
            { ValueKind: JsonValueKind.Number } number => number.GetDouble(),
            { ValueKind: JsonValueKind.Object } parts => parts.EnumerateObject().Sum(part => part.Value.GetDouble()),
            _ => null,
        };

    /// <summary>Rates are shown in percent or in points.</summary>
    private static int Scale(string path) =>
        path.Contains('/', StringComparison.Ordinal)
        || path.Split('.').Any(name => Units.GetValueOrDefault(name) is "rate")
            ? 100
            : 1;

    private static double Digit(string text) =>
        Math.Pow(10, -(text.Contains('.', StringComparison.Ordinal) ? text.Length - text.IndexOf('.') - 1 : 0));

    private static double Parse(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static void AssertInProportion(IReadOnlyList<ShownBar> chart, JsonElement report)
    {
        var bars = chart.Select(bar => (bar.Length, Value: Find(bar.Metric, report)!.Value)).ToList();
        var (longest, most) = bars.DefaultIfEmpty().Max();
        Assert.All(bars, bar => Assert.Equal(most == 0 ? 0 : longest * bar.Value / most, bar.Length, 0.02));
    }
}
