using Campaigns.Embedded;
using Npgsql;

namespace Campaigns.Tests.Support;

/// <summary>The private PostgreSQL of this test process; its files go when the run ends.</summary>
internal static class ThrowawayServer
{
    private static readonly TimeSpan Abandoned = TimeSpan.FromMinutes(10);

    private static EmbeddedPostgresServer? _server;

    public static async Task<NpgsqlConnectionStringBuilder> StartAsync()
    {
        var home = EmbeddedPostgres.DefaultDirectory("tests");
        Sweep(home);
        _server = await EmbeddedPostgres.StartAsync(
            new EmbeddedPostgresOptions
            {
                DataDirectory = Path.Combine(home, Guid.NewGuid().ToString("n")),
                Durable = false,
                MaxConnections = 400,
                Log = Console.Error.WriteLine,
            },
            CancellationToken.None
        );
        return new NpgsqlConnectionStringBuilder(_server.ConnectionString);
    }

    /// <summary>Does nothing where none was started.</summary>
    public static async Task StopAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
            Directory.Delete(_server.DataDirectory, recursive: true);
        }
    }

    /// <summary>Deletes what test processes that were killed left behind.</summary>
    private static void Sweep(string home)
    {
        if (!Directory.Exists(home))
        {
            return;
        }

        foreach (var directory in Directory.EnumerateDirectories(home))
        {
            if (DateTime.UtcNow - Directory.GetCreationTimeUtc(directory) < Abandoned)
            {
                continue;
            }

            using var held = DataDirectory.TryLock(directory);
            if (held is not null)
            {
                Directory.Delete(directory, recursive: true);
            }
        }
    }
}
