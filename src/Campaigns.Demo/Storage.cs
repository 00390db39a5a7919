using System.Security.Cryptography;
using System.Text;
using Campaigns.Embedded;
using Npgsql;

namespace Campaigns.Demo;

/// <summary>A folder of this clone's own, and an empty database: a private PostgreSQL in the folder, or the one that
/// ConnectionStrings:Campaigns names. What is in them stays until the next demo.</summary>
internal sealed class Storage : IAsyncDisposable
{
    private const string Mark = "Campaigns demo: emptied by the next one";

    private readonly EmbeddedPostgresServer? _server;

    private Storage(string folder, string connectionString, EmbeddedPostgresServer? server)
    {
        (Folder, ConnectionString, _server) = (folder, connectionString, server);
    }

    public string Folder { get; }

    public string ConnectionString { get; }

    /// <exception cref="EmbeddedPostgresException">PostgreSQL cannot run here.</exception>
    /// <exception cref="DemoException">The database named is not the demo's to empty.</exception>
    public static async Task<Storage> OpenAsync(Action<string> log, CancellationToken cancellationToken)
    {
        if (Environment.GetEnvironmentVariable("ConnectionStrings__Campaigns") is { Length: > 0 } external)
        {
            await TakeAsync(external, cancellationToken);
            return new Storage(Directory.CreateTempSubdirectory("campaigns-demo-").FullName, external, server: null);
        }

        var folder = EmbeddedPostgres.DefaultDirectory(Name());
        var server = await EmbeddedPostgres.StartAsync(
            new EmbeddedPostgresOptions { DataDirectory = Path.Combine(folder, "postgres"), Log = log },
            cancellationToken
        );
        try
        {
            await RecreateAsync(server.ConnectionString, cancellationToken);
            return new Storage(folder, server.ConnectionString, server);
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is null)
        {
            Directory.Delete(Folder, recursive: true);
        }
        else
        {
            await _server.DisposeAsync();
        }
    }

    // Two clones on one machine do not share a database.
    private static string Name()
    {
        var path = Encoding.UTF8.GetBytes(AppContext.BaseDirectory);
        return $"demo-{Convert.ToHexStringLower(SHA256.HashData(path).AsSpan(0, 4))}";
    }

    private static async Task RecreateAsync(string connectionString, CancellationToken cancellationToken)
    {
        var database = new NpgsqlConnectionStringBuilder(connectionString);
        var maintenance = new NpgsqlConnectionStringBuilder(connectionString)
        {
            Database = "postgres",
            Pooling = false,
        };
        await using var connection = new NpgsqlConnection(maintenance.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await ExecuteAsync(connection, $"DROP DATABASE IF EXISTS {database.Database} WITH (FORCE)", cancellationToken);
        await ExecuteAsync(connection, $"CREATE DATABASE {database.Database}", cancellationToken);
    }

    // Somebody's own data is not for a demonstration to empty.
    private static async Task TakeAsync(string connectionString, CancellationToken cancellationToken)
    {
        try
        {
            await using var dataSource = NpgsqlDataSource.Create(connectionString);
            await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
            await using var look = new NpgsqlCommand(
                """
                SELECT shobj_description(d.oid, 'pg_database') IS NOT DISTINCT FROM @mark,
                       array(
                           SELECT quote_ident(nspname) FROM pg_namespace
                           WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND (nspname <> 'public' OR EXISTS (
                               SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid))
                       ),
                       quote_ident(current_database())
                FROM pg_database d WHERE datname = current_database()
                """,
                connection
            );
            look.Parameters.AddWithValue("mark", Mark);
            var (ours, schemas, database) = await ReadAsync(look, cancellationToken);
            if (!ours && schemas.Length > 0)
            {
                throw new DemoException(
                    "ConnectionStrings:Campaigns names a database that is neither empty nor the demo's own: name another one."
                );
            }

            foreach (var schema in schemas)
            {
                await ExecuteAsync(connection, $"DROP SCHEMA {schema} CASCADE", cancellationToken);
            }

            await ExecuteAsync(connection, "CREATE SCHEMA IF NOT EXISTS public", cancellationToken);
            await ExecuteAsync(connection, $"COMMENT ON DATABASE {database} IS '{Mark}'", cancellationToken);
        }
        catch (Exception e) when (e is NpgsqlException or ArgumentException)
        {
            throw new DemoException($"ConnectionStrings:Campaigns cannot be used: {e.Message}", e);
        }
    }

    private static async Task<(bool, string[], string)> ReadAsync(
        NpgsqlCommand look,
        CancellationToken cancellationToken
    )
    {
        await using var row = await look.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return (row.GetBoolean(0), row.GetFieldValue<string[]>(1), row.GetString(2));
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
