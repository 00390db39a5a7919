using Npgsql;

namespace Campaigns.Database;

/// <summary>Connections beside the pool.</summary>
internal static class BesidePool
{
    /// <summary>For who holds a lock of a session, or of a transaction, while the work itself takes connections of the pool:
    /// as many such holders as there are connections would wait for each other. Closed with its session when it is disposed
    /// of.</summary>
    internal static async Task<NpgsqlConnection> OpenBesidePoolAsync(
        this NpgsqlDataSource dataSource,
        CancellationToken cancellationToken
    )
    {
        var settings = new NpgsqlConnectionStringBuilder(dataSource.ConnectionString) { Pooling = false };
        await using var pooled = dataSource.CreateConnection(); // knows the password, and is never opened
        var connection = pooled.CloneWith(settings.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        return connection;
    }

    /// <summary>Whether work that can be done on several connections side by side should be: those who need one are then not
    /// kept from it.</summary>
    internal static bool HasMany(this NpgsqlDataSource dataSource) =>
        new NpgsqlConnectionStringBuilder(dataSource.ConnectionString).MaxPoolSize >= 10;
}
