using Campaigns.Embedded;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.EmbeddedServer;

public sealed class RefusalTests
{
    [Fact]
    public async Task A_second_host_on_the_same_directory_is_refused()
    {
        using var cluster = new Cluster();
        await using var server = await cluster.StartAsync();

        Assert.Contains(
            $"running PostgreSQL on {cluster.Directory}",
            await cluster.RefusalAsync(),
            StringComparison.Ordinal
        );
        Assert.Equal(1, await Cluster.AskAsync<int>(server, "SELECT 1"));
    }

    [Fact]
    public async Task A_directory_that_cannot_be_written_is_named()
    {
        using var cluster = new Cluster();
        cluster.Options = cluster.Options with { DataDirectory = "/proc/campaigns" };

        Assert.Contains("/proc/campaigns", await cluster.RefusalAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_in_the_way_of_the_directory_is_named()
    {
        using var place = new TemporaryDirectory();
        await File.WriteAllTextAsync(place.Below("file"), "");
        using var cluster = new Cluster();
        cluster.Options = cluster.Options with { DataDirectory = place.Below("file/pg") };

        Assert.Contains(place.Below("file"), await cluster.RefusalAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_disk_is_told_in_the_words_of_initdb()
    {
        using var binaries = new TemporaryDirectory();
        binaries.Script("postgres", "echo 'postgres (PostgreSQL) 17.2'");
        binaries.Script(
            "initdb",
            """
            echo 'creating directory ... ok'
            echo '2026-01-02 03:04:05.678 UTC [42] FATAL:  could not write to file "pg_wal/x": No space left on device' >&2
            echo 'child process exited with exit code 1' >&2
            exit 1
            """
        );
        using var cluster = new Cluster();
        cluster.Options = cluster.Options with { Machine = cluster.Options.Machine with { PgBin = binaries.FullName } };

        Assert.Equal(
            $"PostgreSQL could not set up {cluster.Directory}: could not write to file \"pg_wal/x\": No space left on device",
            await cluster.RefusalAsync()
        );
        Assert.Empty(Directory.EnumerateDirectories(cluster.Directory));
    }

    [Fact]
    public async Task A_setting_that_PostgreSQL_refuses_is_told_in_its_words()
    {
        using var cluster = new Cluster();
        cluster.Options = cluster.Options with { Settings = new Dictionary<string, string> { ["work_mem"] = "much" } };

        Assert.Contains(
            "invalid value for parameter \"work_mem\"",
            await cluster.RefusalAsync(),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public async Task A_cluster_of_another_major_version_is_left_alone()
    {
        using var cluster = new Cluster();
        await using (await cluster.StartAsync()) { }

        var version = Path.Combine(cluster.Directory, "cluster", "PG_VERSION");
        await File.WriteAllTextAsync(version, "12\n");

        Assert.Contains("made by PostgreSQL 12", await cluster.RefusalAsync(), StringComparison.Ordinal);
        Assert.Equal("12\n", await File.ReadAllTextAsync(version));
    }

    [RootFact]
    public async Task A_directory_that_the_account_of_PostgreSQL_cannot_reach_is_named()
    {
        using var cluster = new Cluster("closed/inside/pg");
        var closed = Path.GetFullPath(Path.Combine(cluster.Directory, "../.."));
        Directory.CreateDirectory(Path.Combine(closed, "inside"));
        File.SetUnixFileMode(closed, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

        Assert.Contains($"cannot enter {closed} ", await cluster.RefusalAsync(), StringComparison.Ordinal);
    }

    [RootFact]
    public async Task An_ordinary_user_starts_it_too_and_is_told_where_it_may_not_write()
    {
        using var place = new TemporaryDirectory();
        var own = place.Below("own");
        Directory.CreateDirectory(own);
        Account.OfPostgres().Own(own);

        await using (var host = ChildProcess.Start(StartAndReportAsync, [Path.Combine(own, "pg")], "postgres"))
        {
            Assert.Equal("answers", await host.ReadLineAsync());
            await host.EndAsync();
        }

        await using var refused = ChildProcess.Start(StartAndReportAsync, [place.Below("pg")], "postgres");
        var line = await refused.ReadLineAsync();
        Assert.Contains(place.Below("pg"), line, StringComparison.Ordinal);
        Assert.Contains("denied", line, StringComparison.Ordinal);
    }

    private static async Task StartAndReportAsync(string[] arguments)
    {
        try
        {
            var options = new EmbeddedPostgresOptions { DataDirectory = arguments[0], MaxConnections = 20 };
            await using var server = await EmbeddedPostgres.StartAsync(options, CancellationToken.None);
            Console.WriteLine(await Cluster.AskAsync<int>(server, "SELECT 1") == 1 ? "answers" : "is silent");
            await ChildProcess.UntilToldToEnd();
        }
        catch (EmbeddedPostgresException e)
        {
            Console.WriteLine(e.Message);
        }
    }
}
