using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>How runs end. Each change is made on the caller's connection, in its transaction.</summary>
public static class RunStates
{
    /// <summary>A planned run with nothing left to do is closed.</summary>
    /// <returns>The run's campaign; null when the run was not planned any more.</returns>
    public static Task<int?> CloseAsync(NpgsqlConnection connection, int runKey, DateTimeOffset now) =>
        EndAsync(connection, runKey, "closed", now);

    /// <summary>Nothing of a cancelled run is begun any more.</summary>
    /// <returns>As <see cref="CloseAsync"/>.</returns>
    public static Task<int?> CancelAsync(NpgsqlConnection connection, int runKey, DateTimeOffset now) =>
        EndAsync(connection, runKey, "cancelled", now);

    private static Task<int?> EndAsync(NpgsqlConnection connection, int runKey, string state, DateTimeOffset now) =>
        connection.QuerySingleOrDefaultAsync<int?>(
            """
            UPDATE run
            SET state = @state, closed_at = @now
            WHERE run_key = @runKey AND (state = 'planned' OR state = 'planning' AND @state = 'cancelled')
            RETURNING campaign_key
            """,
            new
            {
                runKey,
                state,
                now,
            }
        );
}
