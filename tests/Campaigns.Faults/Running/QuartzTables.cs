using Dapper;
using Npgsql;

namespace Campaigns.Faults.Running;

/// <summary>The tables of the job engine, which the product must be able to lose and to distrust.</summary>
internal static class QuartzTables
{
    /// <summary>Every job that is asked for is asked for nine times more, under other names.</summary>
    public static Task TenfoldAsync(NpgsqlDataSource sql) => AgainAsync(() => InstallTenfoldAsync(sql));

    private static async Task InstallTenfoldAsync(NpgsqlDataSource sql)
    {
        await using var connection = await sql.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            CREATE TABLE faults.fired (job_name text);

            CREATE FUNCTION faults.tenfold() RETURNS trigger LANGUAGE plpgsql AS $f$
            BEGIN
                INSERT INTO faults.fired VALUES (NEW.job_name);
                INSERT INTO quartz.qrtz_job_details
                SELECT (jsonb_populate_record(j, jsonb_build_object('job_name', j.job_name || '#' || i))).*
                FROM quartz.qrtz_job_details j, generate_series(2, 10) i
                WHERE j.sched_name = NEW.sched_name AND j.job_name = NEW.job_name AND j.job_group = NEW.job_group
                ON CONFLICT DO NOTHING;
                INSERT INTO quartz.qrtz_triggers
                SELECT (jsonb_populate_record(t, jsonb_build_object(
                    'trigger_name', t.trigger_name || '#' || i, 'job_name', t.job_name || '#' || i))).*
                FROM quartz.qrtz_triggers t, generate_series(2, 10) i
                WHERE t.sched_name = NEW.sched_name AND t.trigger_name = NEW.trigger_name
                  AND t.trigger_group = NEW.trigger_group
                ON CONFLICT DO NOTHING;
                INSERT INTO quartz.qrtz_simple_triggers
                SELECT (jsonb_populate_record(s, jsonb_build_object('trigger_name', s.trigger_name || '#' || i))).*
                FROM quartz.qrtz_simple_triggers s, generate_series(2, 10) i
                WHERE s.sched_name = NEW.sched_name AND s.trigger_name = NEW.trigger_name
                  AND s.trigger_group = NEW.trigger_group
                ON CONFLICT DO NOTHING;
                RETURN NULL;
            END $f$;

            CREATE CONSTRAINT TRIGGER tenfold AFTER INSERT ON quartz.qrtz_triggers
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
            WHEN (NEW.trigger_name NOT LIKE '%#%')
            EXECUTE FUNCTION faults.tenfold();
            """
        );
    }

    /// <summary>What was asked for once is again fired once.</summary>
    public static Task OnceAsync(NpgsqlDataSource sql) =>
        AgainAsync(async () =>
        {
            await using var connection = await sql.OpenConnectionAsync();
            await connection.ExecuteAsync("DROP FUNCTION faults.tenfold CASCADE; DROP TABLE faults.fired");
        });

    /// <summary>Empties them all.</summary>
    public static Task WipeAsync(NpgsqlDataSource sql) =>
        AgainAsync(async () =>
        {
            await using var connection = await sql.OpenConnectionAsync();
            var tables = await connection.QueryAsync<string>(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'quartz'"
            );
            await connection.ExecuteAsync($"TRUNCATE {string.Join(", ", tables)}");
        });

    /// <summary>Under nodes that use them: of the two, the server may choose us to give way.</summary>
    private static async Task AgainAsync(Func<Task> work)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                await work();
                return;
            }
            catch (PostgresException failure)
                when (failure.SqlState == PostgresErrorCodes.DeadlockDetected && tries < 10) { }
        }
    }
}
