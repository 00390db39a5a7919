using Campaigns.Faults.Running;

namespace Campaigns.Faults.Scenarios;

/// <summary>A bug put into the database, beneath the product, and the scenario that has to find it.</summary>
/// <param name="Invariant">What it breaks.</param>
internal sealed record PlantedBug(string Title, string Scenario, string Invariant, string Sql)
{
    public Task PlantAsync(Scene scene) => scene.ExecuteAsync(Sql);

    public static IReadOnlyList<PlantedBug> All =>
        [
            new(
                "an outcome is recorded before the send",
                "F2",
                "I2",
                """
                CREATE FUNCTION faults.record_early() RETURNS trigger LANGUAGE plpgsql AS $f$
                BEGIN
                    IF cardinality(NEW.customer_keys) > 0 THEN
                        INSERT INTO outcome (run_key, chunk, request, answer, recorded_at, states)
                        VALUES (NEW.run_key, NEW.chunk, NEW.request, 1, NEW.attempted_at, ARRAY[1::smallint]);
                    END IF;
                    RETURN NULL;
                END $f$;
                CREATE TRIGGER planted AFTER INSERT ON attempt FOR EACH ROW EXECUTE FUNCTION faults.record_early()
                """
            ),
            new(
                "a lease has no token",
                "F7",
                "I1",
                """
                CREATE FUNCTION faults.keep_token() RETURNS trigger LANGUAGE plpgsql AS $f$
                BEGIN
                    NEW.token := OLD.token;
                    RETURN NEW;
                END $f$;
                CREATE TRIGGER planted BEFORE UPDATE ON chunk FOR EACH ROW EXECUTE FUNCTION faults.keep_token()
                """
            ),
            new(
                "consent is read only at planning",
                "F22",
                "I6",
                """
                CREATE FUNCTION faults.keep_consent() RETURNS trigger LANGUAGE plpgsql AS $f$
                BEGIN
                    NEW.consented := OLD.consented;
                    NEW.opted_out := OLD.opted_out;
                    RETURN NEW;
                END $f$;
                CREATE TRIGGER planted BEFORE UPDATE ON contact FOR EACH ROW EXECUTE FUNCTION faults.keep_consent()
                """
            ),
        ];
}
