using System.Globalization;
using System.Text.Json;
using Campaigns.Access;
using Campaigns.Api.Endpoints;
using Campaigns.Json;
using Campaigns.Reports;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Reports;

/// <summary>Every number of a report is one of the catalogue, in whatever form it is read.</summary>
public sealed class MetricTests
{
    private static readonly HashSet<string> Names = [.. Metrics.All.Select(metric => metric.Name)];

    [Fact]
    public async Task Every_number_of_the_JSON_is_named_by_the_catalogue_and_is_in_the_CSV()
    {
        foreach (var report in new[] { await OfEventAsync(), await OfNumberAsync() })
        {
            var figures = Figures(report).ToList();
            var csv = ReportCsv
                .Lines(report)
                .SelectMany(line =>
                    new[] { line.Figure.Value, line.Figure.Low, line.Figure.High }
                        .OfType<double>()
                        .Select(number => (line.Metric, number))
                )
                .ToList();

            Assert.True(figures.Count > 60);
            Assert.All(figures, figure => Assert.True(Names.Contains(figure.Name), figure.Path));
            Assert.Empty(csv.Select(line => line.Metric).Except(Names));
            Assert.Equal(Sorted(figures.Select(figure => (figure.Name, figure.Number))), Sorted(csv));
        }
    }

    [Fact]
    public async Task The_catalogue_is_told_in_English_and_in_Chinese()
    {
        await using var database = await Databases.CreateAsync();
        await using var host = await ApiHost.StartAsync(database);
        var english = await ReadAsync("en");
        var chinese = await ReadAsync("zh");

        Assert.Equal(english.Select(metric => metric.Name), chinese.Select(metric => metric.Name));
        Assert.Equal(english.Count, english.Select(metric => metric.Name).Distinct().Count());
        Assert.All(english, metric => Assert.DoesNotContain(metric.Definition, letter => letter > 0x2fff));
        Assert.All(chinese, metric => Assert.Contains(metric.Definition, letter => letter > 0x2fff));

        async Task<IReadOnlyList<Metric>> ReadAsync(string language) =>
            (
                await host.As(Role.Analyst)
                    .GetAsync(new Uri($"/v1/metrics?lang={language}", UriKind.Relative))
                    .ReadAsync<MetricList>()
            ).Items;
    }

    private static async Task<CampaignReport> OfEventAsync()
    {
        await using var given = await GivenReports.OfEventAsync();
        return await given.ReportAsync(
            new ReportQuestion
            {
                Attribution = AttributionModel.Last,
                NotCausal = true,
                BySegment = true,
            }
        );
    }

    private static async Task<CampaignReport> OfNumberAsync()
    {
        await using var given = await GivenReports.OfNumberAsync();
        return await given.ReportAsync();
    }

    private static IEnumerable<(string Path, string Name, double Number)> Figures(CampaignReport report)
    {
        using var json = JsonDocument.Parse(JsonSerializer.Serialize(report, ProductJson.Options));
        return
        [
            .. json
                .RootElement.EnumerateObject()
                .Where(member => member.Name is not "run" and not "goal")
                .SelectMany(member => Walk(member.Value, [member.Name])),
        ];
    }

    private static IEnumerable<(string Path, string Name, double Number)> Walk(JsonElement value, string[] path) =>
        value.ValueKind switch
        {
            JsonValueKind.Number => [(string.Join('.', path), Name(path), value.GetDouble())],
            JsonValueKind.Array => value.EnumerateArray().SelectMany(one => Walk(one, [.. path, Key(one)])),
            JsonValueKind.Object => value.EnumerateObject().SelectMany(one => Walk(one.Value, [.. path, one.Name])),
            _ => [],
        };

    // A step of the funnel names its metric.
    private static string Key(JsonElement one) =>
        one.ValueKind == JsonValueKind.Object && one.TryGetProperty("metric", out var metric)
            ? metric.GetString()!
            : "[]";

    // The low of a difference is a difference, and those who opted out are suppressed.
    private static string Name(string[] path) => Names.Contains(path[^2]) ? path[^2] : path[^1];

    private static IEnumerable<string> Sorted(IEnumerable<(string Name, double Number)> figures) =>
        figures
            .Select(figure => string.Create(CultureInfo.InvariantCulture, $"{figure.Name} {figure.Number:R}"))
            .Order(StringComparer.Ordinal);
}
