using Dapper;
using Npgsql;

namespace Campaigns.Faults.Running;

/// <summary>Triggers that have some of the product's transactions lose, as they would against others: the one half with a
/// deadlock, the other because they cannot be serialised.</summary>
internal static class Losers
{
    private static readonly string[] Statements =
    [
        "INSERT ON event",
        "INSERT ON consent",
        "INSERT ON decision_small",
        "INSERT ON run_ledger",
        "INSERT ON attempt",
        "INSERT ON outcome",
        "INSERT ON receipt",
        "UPDATE ON chunk",
        "UPDATE ON contact",
    ];

    public static async Task InstallAsync(NpgsqlDataSource sql)
    {
        await using var connection = await sql.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            CREATE SEQUENCE faults.raised;
            CREATE TABLE faults.losing (share float8 NOT NULL);
            INSERT INTO faults.losing VALUES (0);

            CREATE FUNCTION faults.lose() RETURNS trigger LANGUAGE plpgsql AS $f$
            BEGIN
                IF random() < (SELECT share FROM faults.losing) THEN
                    RAISE EXCEPTION 'lost' USING ERRCODE = CASE nextval('faults.raised') % 2 WHEN 0 THEN '40001' ELSE '40P01' END;
                END IF;
                RETURN NULL;
            END $f$
            """
        );
        foreach (var statement in Statements)
        {
            await connection.ExecuteAsync(
                $"CREATE TRIGGER loses BEFORE {statement} FOR EACH STATEMENT EXECUTE FUNCTION faults.lose()"
            );
        }
    }

    /// <summary>From now on one statement in twenty loses.</summary>
    public static Task BeginAsync(NpgsqlDataSource sql) => SetAsync(sql, 0.05);

    public static Task EndAsync(NpgsqlDataSource sql) => SetAsync(sql, 0);

    public static async Task<long> RaisedAsync(NpgsqlDataSource sql)
    {
        await using var connection = await sql.OpenConnectionAsync();
        return await connection.QuerySingleAsync<long>(
            "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM faults.raised"
        );
    }

    private static async Task SetAsync(NpgsqlDataSource sql, double share)
    {
        await using var connection = await sql.OpenConnectionAsync();
        await connection.ExecuteAsync("UPDATE faults.losing SET share = @share", new { share });
    }
}
