using Npgsql;

namespace Campaigns.Customers;

/// <summary>Repeats a transaction that lost against another one over the same customers.</summary>
internal static class Contended
{
    private const int MostTries = 5;

    public static async Task<T> RunAsync<T>(
        NpgsqlDataSource dataSource,
        Func<NpgsqlConnection, Task<T>> work,
        CancellationToken cancellationToken
    )
    {
        for (var attempt = 1; ; attempt++)
        {
            await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            try
            {
                var value = await work(connection);
                await transaction.CommitAsync(cancellationToken);
                return value;
            }
            catch (PostgresException exception) when (attempt < MostTries && IsContention(exception)) { }
        }
    }

    private static bool IsContention(PostgresException exception) =>
        exception.SqlState
            is PostgresErrorCodes.UniqueViolation
                or PostgresErrorCodes.DeadlockDetected
                or PostgresErrorCodes.SerializationFailure;
}
