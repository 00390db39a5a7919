using Npgsql;

namespace Campaigns.Database;

/// <summary>Failures of the database that pass: a cut connection, a restart, a deadlock.</summary>
internal static class Transient
{
    // Npgsql has no name for it: the server ended a transaction in which we slept.
    private const string IdleInTransactionSessionTimeout = "25P03";

    internal static bool Is(Exception failure) =>
        failure switch
        {
            PostgresException postgres => postgres.IsTransient || postgres.SqlState is IdleInTransactionSessionTimeout,
            NpgsqlException or TimeoutException or System.IO.IOException => true,
            _ => false,
        };

    /// <summary>Does it again, a few times, where doing it twice changes nothing.</summary>
    internal static async Task<T> AgainAsync<T>(Func<Task<T>> work)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await work();
            }
            catch (Exception failure) when (tries < 5 && Is(failure))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(40 * tries));
            }
        }
    }
}
