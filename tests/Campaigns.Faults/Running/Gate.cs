using Dapper;
using Npgsql;

namespace Campaigns.Faults.Running;

/// <summary>A fail point from outside: a trigger that waits, in the product's own transaction, until the gate is opened.
/// Who waits there can be killed at exactly that moment.</summary>
internal sealed class Gate : IAsyncDisposable
{
    private const int LockClass = 0x46415447; // "FATG"
    private readonly NpgsqlDataSource _sql;
    private NpgsqlConnection? _holds;

    private Gate(NpgsqlDataSource sql) => _sql = sql;

    /// <param name="before">Such as <c>INSERT ON outcome</c>.</param>
    public static async Task<Gate> BuildAsync(NpgsqlDataSource sql, string before)
    {
        await using var connection = await sql.OpenConnectionAsync();
        await connection.ExecuteAsync(
            $"""
            CREATE FUNCTION faults.wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock_shared({LockClass}, 0); RETURN NULL; END';
            CREATE TRIGGER gate BEFORE {before} FOR EACH STATEMENT EXECUTE FUNCTION faults.wait_at_gate()
            """
        );
        return new Gate(sql);
    }

    public async Task CloseAsync()
    {
        _holds = await _sql.OpenConnectionAsync();
        await _holds.ExecuteAsync($"SELECT pg_advisory_lock({LockClass}, 0)");
    }

    /// <summary>Lets all through, and from now on everybody.</summary>
    public async Task OpenAsync()
    {
        if (_holds is { } connection)
        {
            _holds = null;
            await connection.ExecuteAsync($"SELECT pg_advisory_unlock({LockClass}, 0)");
            await connection.DisposeAsync();
        }
    }

    /// <summary>Names of the nodes that wait.</summary>
    public async Task<IReadOnlyList<string>> WaitingAsync()
    {
        await using var connection = await _sql.OpenConnectionAsync();
        return
        [
            .. await connection.QueryAsync<string>(
                $"""
                SELECT DISTINCT a.application_name
                FROM pg_locks l
                JOIN pg_stat_activity a USING (pid)
                WHERE l.locktype = 'advisory' AND l.classid = {LockClass} AND NOT l.granted
                """
            ),
        ];
    }

    /// <summary>Ends the sessions of a node that is dead: a session that waits does not notice it.</summary>
    public static async Task EndSessionsAsync(NpgsqlDataSource sql, string node)
    {
        await using var connection = await sql.OpenConnectionAsync();
        await connection.ExecuteAsync(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = @node",
            new { node }
        );
    }

    public async ValueTask DisposeAsync() => await OpenAsync();
}
