using Dapper;
using Hangfire;
using Hangfire.PostgreSql;
using Npgsql;

namespace Campaigns.Jobs.Hangfire;

/// <summary>Hangfire's tables, and what Hangfire itself cannot do safely: locks that end with their holder.</summary>
internal sealed class HangfireStore : IConnectionFactory, IAsyncDisposable, IDisposable
{
    private readonly NpgsqlDataSource _tables;
    private readonly NpgsqlDataSource _locks; // a pool of its own: whoever holds a lock needs the tables' to go on
    private readonly Lazy<JobStorage> _storage;

    public HangfireStore(string connectionString, JobEngineOptions options)
    {
        var threads = options.Worker ? options.Threads : 0;
        _tables = Pool(connectionString, threads + 8);
        _locks = Pool(connectionString, (2 * threads) + 8);
        _storage = new Lazy<JobStorage>(Install);
    }

    public JobStorage Storage => _storage.Value;

    public NpgsqlConnection GetOrCreateConnection() => _tables.CreateConnection();

    /// <summary>Nobody else asks for, or takes up, the same id until this is disposed.</summary>
    public async Task<IAsyncDisposable> LockAsync(string jobId, CancellationToken cancellationToken) =>
        (await HoldAsync("pg_advisory_lock", "campaigns-jobs:asking:" + jobId, cancellationToken))!;

    /// <summary>The right to run the job of this id, held until disposed or until this node dies; none while another
    /// has it.</summary>
    public Task<IAsyncDisposable?> TryTakeTurnAsync(string jobId, CancellationToken cancellationToken) =>
        HoldAsync("pg_try_advisory_lock", "campaigns-jobs:running:" + jobId, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _tables.DisposeAsync();
        await _locks.DisposeAsync();
    }

    public void Dispose()
    {
        _tables.Dispose();
        _locks.Dispose();
    }

    private static NpgsqlDataSource Pool(string connectionString, int size) =>
        NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(connectionString)
            {
                ApplicationName = "campaigns-jobs",
                MinPoolSize = 0,
                MaxPoolSize = size,
            }
        );

    // Hangfire's own locks outlive a node that dies and are released by whoever comes.
    private async Task<IAsyncDisposable?> HoldAsync(string function, string key, CancellationToken cancellationToken)
    {
        var connection = await _locks.OpenConnectionAsync(cancellationToken);
        var held = false;
        try
        {
            var answer = await connection.ExecuteScalarAsync(
                new CommandDefinition(
                    $"SELECT {function}(hashtextextended(@key, 0))",
                    new { key },
                    cancellationToken: cancellationToken
                )
            );
            held = answer is not false;
            return held ? new Held(connection, key) : null;
        }
        finally
        {
            if (!held)
            {
                await connection.DisposeAsync();
            }
        }
    }

    // Two nodes that install Hangfire's tables at once collide, and it cannot install over tables whose version is lost.
    private PostgreSqlStorage Install()
    {
        using var connection = _locks.OpenConnection();
        connection.Execute("SELECT pg_advisory_lock(hashtextextended('campaigns-jobs:install', 0))");
        try
        {
            if (
                connection.ExecuteScalar<bool>("SELECT to_regclass('hangfire.schema') IS NOT NULL")
                && !connection.ExecuteScalar<bool>("SELECT EXISTS (SELECT FROM hangfire.schema)")
            )
            {
                connection.Execute("DROP SCHEMA hangfire CASCADE");
            }

            return new PostgreSqlStorage(this, Options());
        }
        finally
        {
            connection.Execute("SELECT pg_advisory_unlock(hashtextextended('campaigns-jobs:install', 0))");
        }
    }

    private static PostgreSqlStorageOptions Options() =>
        new()
        {
            UseSlidingInvisibilityTimeout = true,
            InvisibilityTimeout = TimeSpan.FromSeconds(15), // renewed every 3 s: how long a dead node's job waits
            DistributedLockTimeout = TimeSpan.FromSeconds(15), // a dead node's locks stop everybody for so long
            QueuePollInterval = TimeSpan.FromSeconds(1),
            StartupConnectionMaxRetries = 0, // a node that cannot install does not start
        };

    private sealed class Held(NpgsqlConnection connection, string key) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await using (connection)
            {
                await connection.ExecuteAsync("SELECT pg_advisory_unlock(hashtextextended(@key, 0))", new { key });
            }
        }
    }
}
