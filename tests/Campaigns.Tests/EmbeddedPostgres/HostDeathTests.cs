using System.Globalization;
using Campaigns.Embedded;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.EmbeddedServer;

public sealed class HostDeathTests
{
    [Fact]
    public async Task A_host_that_is_killed_leaves_no_server_and_its_data_serve_again()
    {
        using var cluster = new Cluster();
        await using (var host = ChildProcess.Start(HostAsync, [cluster.Directory]))
        {
            Assert.Equal("ready", await host.ReadLineAsync());
            Assert.NotEmpty(cluster.Processes());
            await host.KillAsync();
        }

        await Eventually.BeTrueAsync(() => !cluster.Processes().Any(), "PostgreSQL ends with its killed host");
        await using var server = await cluster.StartAsync();
        Assert.Equal(7, await Cluster.AskAsync<int>(server, "SELECT n FROM kept"));
    }

    [Fact]
    public async Task A_start_right_after_the_kill_waits_for_the_old_server_to_end()
    {
        using var cluster = new Cluster();
        await using var host = ChildProcess.Start(HostAsync, [cluster.Directory]);
        Assert.Equal("ready", await host.ReadLineAsync());
        await host.KillAsync();

        await using var server = await cluster.StartAsync();
        Assert.Equal(7, await Cluster.AskAsync<int>(server, "SELECT n FROM kept"));
    }

    [Fact]
    public async Task A_host_that_forgets_to_dispose_leaves_no_server()
    {
        using var cluster = new Cluster();
        await using var host = ChildProcess.Start(HostAsync, [cluster.Directory]);
        Assert.Equal("ready", await host.ReadLineAsync());
        await host.EndAsync();

        await Eventually.BeTrueAsync(() => !cluster.Processes().Any(), "PostgreSQL ends with its host");
    }

    [Fact]
    public async Task An_orphan_that_still_serves_the_directory_is_stopped_first()
    {
        using var cluster = new Cluster();
        string binary;
        await using (var first = await cluster.StartAsync())
        {
            binary = File.ResolveLinkTarget($"/proc/{first.ProcessId}/exe", returnFinalTarget: true)!.FullName;
        }

        var orphan = new Postmaster(
            Account
                .OfPostgres()
                .Command(
                    binary,
                    ["-D", Path.Combine(cluster.Directory, "cluster"), "-c", $"port={Port.Free()}", "-k", ""]
                )
        );
        await orphan.ReadyAsync(CancellationToken.None);

        await using var server = await cluster.StartAsync();
        Assert.True(orphan.Exited.IsCompleted);
        Assert.Contains(cluster.Log, line => line.Contains("an earlier program left", StringComparison.Ordinal));
        Assert.Equal(1, await Cluster.AskAsync<int>(server, "SELECT 1"));
    }

    [Fact]
    public async Task A_stale_pid_file_whose_number_another_program_has_now_is_no_obstacle()
    {
        using var cluster = new Cluster();
        await using (await cluster.StartAsync()) { }

        // Another process of PostgreSQL's own account is the case it refuses by itself.
        using var otherCluster = new Cluster();
        await using var other = await otherCluster.StartAsync();
        var pidFile = Path.Combine(cluster.Directory, "cluster", "postmaster.pid");
        await File.WriteAllTextAsync(pidFile, string.Create(CultureInfo.InvariantCulture, $"{other.ProcessId}\n"));

        await using var server = await cluster.StartAsync();
        Assert.Equal(1, await Cluster.AskAsync<int>(server, "SELECT 1"));
        Assert.Equal(1, await Cluster.AskAsync<int>(other, "SELECT 1"));
    }

    [Fact]
    public async Task A_cluster_that_was_interrupted_while_it_was_made_is_made_again()
    {
        using var cluster = new Cluster();
        var unfinished = Path.Combine(cluster.Directory, "cluster.new-0");
        Directory.CreateDirectory(unfinished);
        await File.WriteAllTextAsync(Path.Combine(unfinished, "PG_VERSION"), "15\n");

        await using var server = await cluster.StartAsync();
        Assert.Equal(1, await Cluster.AskAsync<int>(server, "SELECT 1"));
        Assert.False(Directory.Exists(unfinished));
    }

    private static async Task HostAsync(string[] arguments)
    {
        var options = new EmbeddedPostgresOptions { DataDirectory = arguments[0], MaxConnections = 20 };
        var server = await EmbeddedPostgres.StartAsync(options, CancellationToken.None);
        await Cluster.AskAsync<int>(server, "CREATE TABLE kept AS SELECT 7 AS n");
        Console.WriteLine("ready");
        await ChildProcess.UntilToldToEnd();
    }
}
