using System.Globalization;
using Campaigns.Embedded;
using Campaigns.Tests.Support;
using Dapper;
using Npgsql;

namespace Campaigns.Tests.EmbeddedServer;

/// <summary>A data directory of one test, in a temporary place.</summary>
internal sealed class Cluster : IDisposable
{
    private readonly TemporaryDirectory _place = new();
    private readonly List<string> _log = [];

    public Cluster(string name = "pg") =>
        Options = new EmbeddedPostgresOptions
        {
            DataDirectory = _place.Below(name),
            Durable = false,
            MaxConnections = 20,
            Log = _log.Add,
        };

    public EmbeddedPostgresOptions Options { get; set; }

    public string Directory => Options.DataDirectory;

    public IReadOnlyList<string> Log => _log;

    public Task<EmbeddedPostgresServer> StartAsync() => EmbeddedPostgres.StartAsync(Options, CancellationToken.None);

    /// <summary>The one line that a user would see.</summary>
    public async Task<string> RefusalAsync()
    {
        var refusal = await Assert.ThrowsAsync<EmbeddedPostgresException>(StartAsync);
        Assert.DoesNotContain('\n', refusal.Message);
        return refusal.Message;
    }

    public static async Task<T?> AskAsync<T>(EmbeddedPostgresServer server, string sql)
    {
        await using var dataSource = NpgsqlDataSource.Create(server.ConnectionString);
        await using var connection = await dataSource.OpenConnectionAsync();
        return await connection.ExecuteScalarAsync<T>(sql);
    }

    public static int Port(EmbeddedPostgresServer server) =>
        new NpgsqlConnectionStringBuilder(server.ConnectionString).Port;

    /// <summary>Processes of PostgreSQL that work in the directory.</summary>
    public IEnumerable<int> Processes() =>
        System
            .IO.Directory.EnumerateDirectories("/proc")
            .Select(Path.GetFileName)
            .Where(name => char.IsAsciiDigit(name![0]))
            .Select(name => int.Parse(name!, CultureInfo.InvariantCulture))
            .Where(WorksHere);

    public void Dispose() => _place.Dispose();

    private bool WorksHere(int pid)
    {
        try
        {
            return new DirectoryInfo($"/proc/{pid}/cwd").LinkTarget == Path.Combine(Directory, "cluster");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
