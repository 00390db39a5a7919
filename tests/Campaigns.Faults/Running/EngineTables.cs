using Npgsql;

namespace Campaigns.Faults.Running;

/// <summary>The tables of the job engine, which the product must be able to lose and to distrust.</summary>
internal static class EngineTables
{
    public const string Quartz = "Quartz";
    public const string Hangfire = "Hangfire";

    /// <summary>Each names itself when it is queued.</summary>
    private const string TenfoldHangfire = """
        CREATE TABLE faults.fired (job_name text);

        CREATE FUNCTION faults.tenfold() RETURNS trigger LANGUAGE plpgsql AS $f$
        BEGIN
            INSERT INTO faults.fired VALUES (NEW.jobid);
            INSERT INTO hangfire.jobqueue (jobid, queue) SELECT NEW.jobid, NEW.queue FROM generate_series(2, 10);
            RETURN NULL;
        END $f$;

        CREATE TRIGGER tenfold AFTER INSERT ON hangfire.jobqueue
        FOR EACH ROW WHEN (pg_trigger_depth() = 0)
        EXECUTE FUNCTION faults.tenfold();
        """;

    private const string TenfoldQuartz = """
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
        """;

    /// <summary>Every job that is asked for is fired nine times more.</summary>
    public static Task TenfoldAsync(Scene scene) =>
        AgainAsync(() => scene.ExecuteAsync(scene.Engine == Hangfire ? TenfoldHangfire : TenfoldQuartz));

    /// <summary>What was asked for once is again fired once.</summary>
    public static Task OnceAsync(Scene scene) =>
        AgainAsync(() => scene.ExecuteAsync("DROP FUNCTION faults.tenfold CASCADE; DROP TABLE faults.fired"));

    /// <summary>Empties them all; what version of them there is stays.</summary>
    public static Task WipeAsync(Scene scene) =>
        AgainAsync(async () =>
        {
            var tables = await scene.AskAsync<string>(
                """
                SELECT string_agg(format('%I.%I', schemaname, tablename), ', ')
                FROM pg_tables
                WHERE schemaname = lower(@Engine) AND tablename <> 'schema'
                """,
                new { scene.Engine }
            );
            await scene.ExecuteAsync($"TRUNCATE {tables}");
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
