using System.Text.Json;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Demo;

public sealed class DemoTests
{
    [Fact]
    public async Task A_campaign_goes_from_its_first_customer_to_its_report()
    {
        await using var database = await Databases.CreateEmptyAsync();
        using var directory = new TemporaryDirectory();
        var file = directory.Below("figures.json");

        var demo = DemoProgram.RunAsync(database.ConnectionString, "--customers", "2000", "--exit", "--json", file);
        var shown = await WavesShownAsync(database, until: demo);
        var (exitCode, output, error) = await demo;

        Assert.True(exitCode == 0, output + error);
        var figures = JsonDocument.Parse(await File.ReadAllTextAsync(file)).RootElement;
        Assert.Equal(
            [
                "engine",
                "audience",
                "heldOut",
                "suppressed",
                "touches",
                "touchesByChannel",
                "touchesByState",
                "conversions",
                "lift",
                "trueLift",
                "seconds",
            ],
            figures.EnumerateObject().Select(member => member.Name)
        );
        TheLedgerAddsUp(figures);
        TheLiftIsPlausible(figures);
        TheEngineHadTheTimetable(figures, shown);
        Assert.Equal(Number(figures, "audience"), await CountAsync(database, "SELECT count(*) FROM decision"));
    }

    [Fact]
    public async Task Customers_of_a_file_take_the_place_of_the_synthetic_ones()
    {
        await using var database = await Databases.CreateEmptyAsync();
        using var directory = new TemporaryDirectory();
        var (csv, map, json) = (directory.Below("bank.csv"), directory.Below("map.json"), directory.Below("out.json"));
        var rows = Enumerable
            .Range(1, 600)
            .Select(n => (Job: n % 3 == 0 ? "retired" : "services", Balance: n * 7 % 3000));
        await File.WriteAllLinesAsync(
            csv,
            rows.Select(row => $"\"{row.Job}\";{row.Balance}").Prepend("\"job\";\"balance\"")
        );
        await File.WriteAllTextAsync(
            map,
            """
            {
              "fields": [{"name": "job", "type": "text"}, {"name": "balance", "type": "number", "sensitive": true}],
              "mapping": {
                "id": {"prefix": "pt-"},
                "columns": [
                  {"column": "job", "to": "attribute", "name": "job"},
                  {"column": "balance", "to": "attribute", "name": "balance"}
                ]
              },
              "audience": {"all": [
                {"field": "job", "op": "eq", "value": "retired"},
                {"field": "balance", "op": "gt", "value": 1000}
              ]}
            }
            """
        );

        var (exitCode, output, error) = await DemoProgram.RunAsync(
            database.ConnectionString,
            ["--file", csv, "--map", map, "--exit", "--json", json]
        );

        Assert.True(exitCode == 0, output + error);
        var figures = JsonDocument.Parse(await File.ReadAllTextAsync(json)).RootElement;
        Assert.Equal(rows.Count(row => row is { Job: "retired", Balance: > 1000 }), Number(figures, "audience"));
        Assert.Equal(Number(figures, "audience"), Number(figures, "touches") + Number(figures, "heldOut"));
    }

    [Theory]
    [InlineData("--customers", "many")]
    [InlineData("--customers")]
    [InlineData("--file", "absent.csv")]
    [InlineData("--colour")]
    public async Task A_wrong_option_is_told_in_one_line(params string[] arguments)
    {
        var (exitCode, output, error) = await DemoProgram.RunAsync(null, arguments);

        Assert.Equal(2, exitCode);
        Assert.Empty(output);
        Assert.Single(error.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task A_database_with_somebodys_data_is_left_alone()
    {
        await using var database = await Databases.CreateAsync();

        var (exitCode, _, error) = await DemoProgram.RunAsync(database.ConnectionString, "--exit");

        Assert.Equal(1, exitCode);
        Assert.Contains("neither empty nor the demo's own", error, StringComparison.Ordinal);
        Assert.Equal(1, await CountAsync(database, "SELECT count(*) FROM business_clock"));
    }

    private static void TheLedgerAddsUp(JsonElement figures)
    {
        var touches = Number(figures, "touches");
        Assert.True(touches > 300, $"{touches} touches");
        Assert.Equal(Number(figures, "audience"), touches + Number(figures, "heldOut") + Sum(figures, "suppressed"));
        Assert.Equal(touches, Sum(figures, "touchesByChannel"));
        Assert.Equal(touches, Sum(figures, "touchesByState"));
        Assert.Equal(["app", "sms", "wechat"], Members(figures, "touchesByChannel").Order());
        Assert.Contains("no_consent", Members(figures, "suppressed"));
        // Nearly everything is sent: what is left over at the end of the last window is the exception.
        var unsent = Members(figures, "touchesByState")
            .Where(state => state is "planned" or "attempted" or "unknown" or "expired")
            .Sum(state => Number(figures.GetProperty("touchesByState"), state));
        Assert.True(unsent < touches / 10, $"{unsent} of {touches} were not sent");
    }

    private static void TheLiftIsPlausible(JsonElement figures)
    {
        var lift = figures.GetProperty("lift");
        var (value, low, high) = (Real(lift, "value"), Real(lift, "low"), Real(lift, "high"));
        Assert.InRange(value, low, high);
        Assert.InRange(low, -1, 1);
        Assert.InRange(high, -1, 1);
        Assert.InRange(Real(figures, "trueLift"), 0.02, 0.035);
        Assert.True(Number(figures, "conversions") > 0);
    }

    private static void TheEngineHadTheTimetable(JsonElement figures, IReadOnlySet<string> shown)
    {
        Assert.Contains(figures.GetProperty("engine").GetString(), new[] { "Quartz", "Hangfire" });
        foreach (var channel in new[] { "WeChat", "App", "Sms" })
        {
            Assert.Contains(shown, title => title.Contains($"· {channel} ·", StringComparison.Ordinal));
        }

        var days = shown.Select(title => title.Split(" · ")[2].Split(' ')[0]).Distinct();
        Assert.Equal(3, days.Count());
    }

    /// <summary>The titles of waves that the engine's own tables had while the demo ran.</summary>
    private static async Task<IReadOnlySet<string>> WavesShownAsync(TestDatabase database, Task until)
    {
        var shown = new HashSet<string>();
        while (!until.IsCompleted)
        {
            shown.UnionWith(await TitlesAsync(database));
            await Task.WhenAny(until, Task.Delay(TimeSpan.FromMilliseconds(50)));
        }

        return shown;
    }

    private static async Task<IEnumerable<string>> TitlesAsync(TestDatabase database)
    {
        await using var connection = await database.DataSource.OpenConnectionAsync();
        var table = await connection.ExecuteScalarAsync<string?>(
            "SELECT coalesce(to_regclass('quartz.qrtz_triggers'), to_regclass('hangfire.job'))::text"
        );
        var column = table == "hangfire.job" ? "arguments::text" : "description";
        return table is null
            ? []
            : await connection.QueryAsync<string>(
                $"""
                SELECT title FROM (SELECT substring({column} FROM 'new-citizens-payday · [^"]* touches') AS title FROM {table}) t
                WHERE title IS NOT NULL
                """
            );
    }

    private static async Task<long> CountAsync(TestDatabase database, string sql)
    {
        await using var connection = await database.DataSource.OpenConnectionAsync();
        return await connection.ExecuteScalarAsync<long>(sql);
    }

    private static long Number(JsonElement figures, string name) => figures.GetProperty(name).GetInt64();

    private static double Real(JsonElement figures, string name) => figures.GetProperty(name).GetDouble();

    private static long Sum(JsonElement figures, string name) =>
        figures.GetProperty(name).EnumerateObject().Sum(member => member.Value.GetInt64());

    private static IEnumerable<string> Members(JsonElement figures, string name) =>
        figures.GetProperty(name).EnumerateObject().Select(member => member.Name);
}
