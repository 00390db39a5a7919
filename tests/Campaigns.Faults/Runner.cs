using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Campaigns.Demo;
using Campaigns.Faults.Checks;
using Campaigns.Faults.Running;
using Campaigns.Faults.Scenarios;
using Npgsql;

namespace Campaigns.Faults;

/// <summary>Plays scenarios one after the other, checks each, and adds up.</summary>
internal sealed partial class Runner(World world, Options options)
{
    /// <summary>Violations of a kind: those that differ by numbers alone.</summary>
    private const int Shown = 4;
    private const int DiskCustomers = 2_000;

    public int Faults { get; private set; }

    public int Violations { get; private set; }

    public async Task PlayAsync(Scenario scenario)
    {
        if (!scenario.OnSmallDisk)
        {
            Take(scenario, await PlayAsync(world, scenario, plant: null));
            return;
        }

        using var disk = SmallDisk.TryMount();
        if (disk is null)
        {
            Line($"{scenario.Id, -4} {scenario.Title}: skipped, for only root may mount a small disk");
            return;
        }

        await using var own = await World.OpenAsync(world.Engine, DiskCustomers, Path.Combine(disk.Folder, "data"));
        Take(scenario, await PlayAsync(own, scenario, plant: null, disk));
    }

    private void Take(Scenario scenario, (Play Play, TimeSpan Took) played)
    {
        var (play, took) = played;
        Faults += play.Faults.Values.Sum();
        Violations += play.Violations.Count;
        Print(scenario.Id, scenario.Title, play, took);
    }

    /// <summary>Whether the harness finds the bug.</summary>
    public async Task<bool> FindsAsync(PlantedBug bug)
    {
        var (play, took) = await PlayAsync(world, Catalogue.Of(bug.Scenario), bug);
        Faults += play.Faults.Values.Sum();
        var found = play.Violations.Count(violation => violation.Invariant == bug.Invariant);
        Line(
            $"planted: {bug.Title}: {(found > 0 ? "found" : "NOT FOUND")} by {bug.Scenario}, {found} violations of {bug.Invariant} ({took.TotalSeconds:0.0} s)"
        );
        foreach (var violation in play.Violations.Take(2))
        {
            Line($"         {violation.Invariant}: {violation.What}");
        }

        return found > 0;
    }

    private async Task<(Play, TimeSpan)> PlayAsync(
        World stage,
        Scenario scenario,
        PlantedBug? plant,
        SmallDisk? disk = null
    )
    {
        var since = Stopwatch.GetTimestamp();
        await using var scene = await stage.SceneAsync(scenario.Id);
        var play = new Play(
            scene,
            plant is not null ? Amount.Once
                : options.Whole ? Amount.Whole
                : Amount.Brief,
            options.Seed
        )
        {
            Disk = disk,
        };
        try
        {
            if (plant is not null)
            {
                await plant.PlantAsync(scene);
            }

            await scenario.PlayAsync(play);
            var (_, violations) = await Checker.CheckAsync(scene);
            play.Violations.AddRange(violations);
        }
        catch (Exception failure)
            when (failure is StuckException or DemoException or NpgsqlException or HttpRequestException or JsonException
            )
        {
            play.Violations.Add(new Violation("I2", $"it came to no end: {failure.Message.ReplaceLineEndings(" ")}"));
            // What is known by now is worth more than that it is stuck.
            play.Violations.AddRange(await SoFarAsync(scene));
        }

        if (options.Logs && play.Violations.Count > 0)
        {
            await KeepLogsAsync(scene);
        }

        return (play, Stopwatch.GetElapsedTime(since));
    }

    private static async Task<IEnumerable<Violation>> SoFarAsync(Scene scene)
    {
        try
        {
            var facts = await Facts.ReadAsync(scene);
            return [.. LedgerChecks.Of(facts), .. ContactChecks.Of(facts, scene.Journal)];
        }
        catch (Exception failure) when (failure is NpgsqlException or HttpRequestException)
        {
            return [];
        }
    }

    private static void Print(string id, string title, Play play, TimeSpan took)
    {
        var faults = string.Join(", ", play.Faults.Select(fault => $"{fault.Key} {fault.Value}"));
        Line(
            $"{id, -4} {title}: faults {play.Faults.Values.Sum()} ({faults}), violations {play.Violations.Count} ({took.TotalSeconds:0.0} s)"
        );
        foreach (var figure in play.Figures)
        {
            Line($"       {figure}");
        }

        foreach (var kind in play.Violations.GroupBy(one => (one.Invariant, Numbers().Replace(one.What, "N"))))
        {
            foreach (var violation in kind.Take(Shown))
            {
                Line($"     ! {violation.Invariant}: {violation.What}");
            }

            if (kind.Count() > Shown)
            {
                Line($"     ! and {kind.Count() - Shown} more of the kind");
            }
        }
    }

    private static async Task KeepLogsAsync(Scene scene)
    {
        var folder = Directory.CreateTempSubdirectory($"campaigns-faults-{scene.Name}-").FullName;
        foreach (var node in scene.Nodes)
        {
            await File.WriteAllLinesAsync(Path.Combine(folder, $"{node.Name}.log"), node.Log);
        }

        Line($"       logs: {folder}");
    }

    [GeneratedRegex("[0-9]+", RegexOptions.None, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Numbers();

    private static void Line(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
