using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Campaigns.Embedded;
using Npgsql;

namespace Campaigns.Tests.EmbeddedServer;

public sealed class StartTests
{
    [Theory]
    [InlineData("pg")]
    [InlineData("a path with spaces, 'quotes' and 中文")]
    public async Task Data_is_kept_from_one_start_to_the_next(string name)
    {
        using var cluster = new Cluster(name);
        await using (var first = await cluster.StartAsync())
        {
            await Cluster.AskAsync<int>(first, "CREATE TABLE kept AS SELECT 7 AS n");
        }

        Assert.Empty(cluster.Processes());
        await using var second = await cluster.StartAsync();
        Assert.Equal(7, await Cluster.AskAsync<int>(second, "SELECT n FROM kept"));
        Assert.Empty(cluster.Log);
    }

    [Fact]
    public async Task It_outlives_the_thread_that_asked_for_it()
    {
        using var cluster = new Cluster();
        EmbeddedPostgresServer? server = null;
        var thread = new Thread(() => server = cluster.StartAsync().GetAwaiter().GetResult());
        thread.Start();
        thread.Join();

        await using var running = server!;
        Assert.Equal(1, await Cluster.AskAsync<int>(running, "SELECT 1"));
    }

    [Fact]
    public async Task Only_the_owner_reads_its_files_and_only_its_password_opens_it()
    {
        using var cluster = new Cluster();
        await using var server = await cluster.StartAsync();

        const UnixFileMode others =
            UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        var open = Directory
            .EnumerateFileSystemEntries(cluster.Directory, "*", SearchOption.AllDirectories)
            .Append(cluster.Directory)
            .Where(path => (File.GetUnixFileMode(path) & others) != UnixFileMode.None);
        Assert.Empty(open);

        var guess = new NpgsqlConnectionStringBuilder(server.ConnectionString) { Password = "guess", Pooling = false };
        await using var connection = new NpgsqlConnection(guess.ConnectionString);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => connection.OpenAsync());
        Assert.Equal(PostgresErrorCodes.InvalidPassword, refused.SqlState);
    }

    [Fact]
    public async Task It_listens_on_loopback_alone_and_never_runs_as_root()
    {
        using var cluster = new Cluster();
        await using var server = await cluster.StartAsync();

        Assert.Equal("127.0.0.1", await Cluster.AskAsync<string>(server, "SHOW listen_addresses"));
        Assert.Equal("", await Cluster.AskAsync<string>(server, "SHOW unix_socket_directories"));
        var status = await File.ReadAllLinesAsync($"/proc/{server.ProcessId}/status");
        Assert.DoesNotContain("0", status.Single(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t'));
    }

    [Fact]
    public async Task Ctrl_C_in_the_terminal_does_not_reach_it()
    {
        using var cluster = new Cluster();
        await using var server = await cluster.StartAsync();

        var stat = await File.ReadAllTextAsync($"/proc/{server.ProcessId}/stat");
        var processGroup = stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[2];
        Assert.Equal(server.ProcessId.ToString(CultureInfo.InvariantCulture), processGroup);
    }

    [Theory]
    [InlineData(true, "on")]
    [InlineData(false, "off")]
    public async Task It_is_durable_unless_told_otherwise(bool durable, string expected)
    {
        using var cluster = new Cluster();
        cluster.Options = cluster.Options with { Durable = durable };
        await using var server = await cluster.StartAsync();

        foreach (var setting in new[] { "fsync", "synchronous_commit", "full_page_writes" })
        {
            Assert.Equal(expected, await Cluster.AskAsync<string>(server, $"SHOW {setting}"));
        }
    }

    [Fact]
    public async Task A_setting_of_the_caller_wins()
    {
        using var cluster = new Cluster();
        cluster.Options = cluster.Options with
        {
            Settings = new Dictionary<string, string> { ["work_mem"] = "7MB", ["application_name"] = "it's ours" },
        };
        await using var server = await cluster.StartAsync();

        Assert.Equal("7MB", await Cluster.AskAsync<string>(server, "SHOW work_mem"));
    }

    [Fact]
    public async Task The_port_of_the_last_start_is_used_again()
    {
        using var cluster = new Cluster();
        int port;
        await using (var first = await cluster.StartAsync())
        {
            port = Cluster.Port(first);
        }

        await using var second = await cluster.StartAsync();
        Assert.Equal(port, Cluster.Port(second));
    }

    [Fact]
    public async Task Another_port_is_taken_where_the_last_one_is_in_use()
    {
        using var cluster = new Cluster();
        int port;
        await using (var first = await cluster.StartAsync())
        {
            port = Cluster.Port(first);
        }

        using var occupant = new TcpListener(IPAddress.Loopback, port);
        occupant.Start();
        await using var second = await cluster.StartAsync();
        Assert.NotEqual(port, Cluster.Port(second));
        Assert.Equal(1, await Cluster.AskAsync<int>(second, "SELECT 1"));
    }

    [Fact]
    public async Task A_port_that_is_lost_to_another_program_in_the_last_moment_is_given_up()
    {
        using var occupant = new TcpListener(IPAddress.Loopback, 0);
        occupant.Start();
        var taken = ((IPEndPoint)occupant.LocalEndpoint).Port;
        var ports = new Queue<int>([taken, taken, Port.Free()]);
        using var cluster = new Cluster();
        cluster.Options = cluster.Options with { FreePort = ports.Dequeue };

        await using var server = await cluster.StartAsync();
        Assert.Empty(ports);
        Assert.Equal(1, await Cluster.AskAsync<int>(server, "SELECT 1"));
    }

    [Fact]
    public async Task A_cancelled_start_leaves_nothing_running_and_can_be_repeated()
    {
        using var cluster = new Cluster();
        await using (await cluster.StartAsync()) { }

        using var cancelled = new CancellationTokenSource();
        var options = cluster.Options with
        {
            FreePort = () =>
            {
                cancelled.Cancel();
                return Port.Free();
            },
        };
        File.Delete(Path.Combine(cluster.Directory, "port"));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            EmbeddedPostgres.StartAsync(options, cancelled.Token)
        );

        Assert.Empty(cluster.Processes());
        await using var server = await cluster.StartAsync();
        Assert.Equal(1, await Cluster.AskAsync<int>(server, "SELECT 1"));
    }
}
