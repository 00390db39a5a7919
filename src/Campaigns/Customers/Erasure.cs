using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>Removes a person and keeps the pseudonym, and under it the proofs of consent for their term.</summary>
internal static class Erasure
{
    public static async Task<Result<Done>> RunAsync(
        NpgsqlConnection connection,
        Actor actor,
        string id,
        ConsentOptions options,
        CancellationToken cancellationToken
    )
    {
        // Whoever stores anything of these at this moment has read the customer as there: it ends first. The numbers of
        // goals are looked up of many at once: nobody's events wait for that.
        await connection.ExecuteAsync(
            new CommandDefinition(
                "LOCK TABLE goal_baseline, goal_followup, event, inbox_message IN SHARE ROW EXCLUSIVE MODE",
                commandTimeout: 0,
                cancellationToken: cancellationToken
            )
        );
        var shared = new SharedAddresses(connection, cancellationToken);
        await shared.HoldCustomersAsync(new RowSource("SELECT @id AS id", new { id }));
        var customer = await connection.QuerySingleOrDefaultAsync<(long? Key, bool Erased)>(
            "SELECT customer_key, erased FROM customer WHERE customer_id = @id FOR UPDATE",
            new { id }
        );
        if (customer.Key is not { } key)
        {
            return Error.NotFound("customer", id);
        }

        if (customer.Erased)
        {
            return default(Done);
        }

        var addresses = AddressGroups.Of(
            await connection.QueryAsync<(short, byte[])>(
                "SELECT channel, lookup FROM address WHERE customer_key = @key",
                new { key }
            )
        );
        await shared.HoldAddressesAsync(RowSource.NoAddresses, addresses);
        var now = await BusinessClock.NowAsync(connection);
        await connection.ExecuteAsync(
            """
            DELETE FROM event WHERE customer_key = @key;
            DELETE FROM address WHERE customer_key = @key;
            DELETE FROM inbox_message WHERE customer_key = @key;
            DELETE FROM authorisation WHERE customer_key = @key;
            DELETE FROM authorisation_entry WHERE customer_key = @key;
            DELETE FROM tester WHERE customer_key = @key;
            UPDATE reply SET content = '', address = NULL WHERE customer_key = @key;
            DELETE FROM goal_baseline b USING run r
            WHERE r.plan #>> '{goal,field}' IS NOT NULL AND b.run_key = r.run_key AND b.customer_key = @key;
            DELETE FROM goal_followup f USING run r
            WHERE r.plan #>> '{goal,field}' IS NOT NULL AND f.run_key = r.run_key AND f.customer_key = @key;
            UPDATE customer SET attributes = '{}', tags = '{}', stub = false, erased = true, updated_at = @now,
                evidence_until = @until
            WHERE customer_key = @key;
            UPDATE contact SET
                erased = true, reachable = 0, shared = 0, consented = 0, zone = 1, preferred_slots = 0,
                preferred_channels = 0, birth_date = NULL, risk_rating = NULL, risk_rated_until = NULL, student = false,
                sensitive_consent = false, personalisation_off = true
            WHERE customer_key = @key
            """,
            new
            {
                key,
                now,
                until = options.EvidenceUntil(now),
            }
        );
        await shared.SettleAsync(RowSource.NoAddresses, addresses);
        await AuditLog.WriteAsync(connection, now, actor, "erased", "customer", id);
        return default(Done);
    }
}
