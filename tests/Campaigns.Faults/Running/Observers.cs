using Dapper;
using Npgsql;

namespace Campaigns.Faults.Running;

/// <summary>Triggers that write down what the product's own tables forget: every claim of a chunk, with the lease that it
/// followed, and every change of a campaign's state.</summary>
internal static class Observers
{
    public static async Task InstallAsync(NpgsqlDataSource sql)
    {
        await using var connection = await sql.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            CREATE SCHEMA faults;

            CREATE TABLE faults.claim (
                at timestamptz NOT NULL DEFAULT clock_timestamp(),
                run_key int, chunk int, node text, held_by text, held_until timestamptz
            );

            CREATE FUNCTION faults.note_claim() RETURNS trigger LANGUAGE plpgsql AS $f$
            BEGIN
                INSERT INTO faults.claim (run_key, chunk, node, held_by, held_until)
                VALUES (NEW.run_key, NEW.chunk, NEW.leased_by, OLD.leased_by, OLD.leased_until);
                RETURN NULL;
            END $f$;

            CREATE TRIGGER claims AFTER UPDATE ON chunk FOR EACH ROW
            WHEN (NEW.leased_by IS NOT NULL AND NEW.leased_by IS DISTINCT FROM OLD.leased_by)
            EXECUTE FUNCTION faults.note_claim();

            CREATE TABLE faults.campaign_state (campaign_id text, state text);

            CREATE FUNCTION faults.note_state() RETURNS trigger LANGUAGE plpgsql AS $f$
            BEGIN
                INSERT INTO faults.campaign_state VALUES (NEW.campaign_id, NEW.state);
                RETURN NULL;
            END $f$;

            CREATE TRIGGER states AFTER UPDATE ON campaign FOR EACH ROW
            WHEN (NEW.state <> OLD.state)
            EXECUTE FUNCTION faults.note_state();
            """
        );
    }
}
