using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>A customer who is one of the bank's own people, and to whom templates may be sent to be looked at.</summary>
public sealed record Tester
{
    public required string CustomerId { get; init; }

    /// <summary>Who she is at the bank.</summary>
    public required string Name { get; init; }
    public required string AddedBy { get; init; }

    /// <summary>Business time.</summary>
    public required DateTimeOffset AddedAt { get; init; }
}

/// <summary>The list of testers. Whoever sends tests does not keep it.</summary>
public sealed class Testers(NpgsqlDataSource dataSource)
{
    /// <summary>Most testers there may be.</summary>
    public const int Most = 100;

    private const int LongestName = 100;
    private const int LockClass = 0x54535452; // "TSTR"

    /// <summary>Puts a customer on the list, or gives a tester another name.</summary>
    /// <returns>400 for a name that is not 1 to 100 printable characters; 404 for an unknown customer; 409
    /// <c>too-many-testers</c>.</returns>
    public async Task<Result<Tester>> PutAsync(
        Actor actor,
        string customerId,
        string name,
        CancellationToken cancellationToken
    )
    {
        if (!Texts.IsPrintable(name, 1, LongestName) || string.IsNullOrWhiteSpace(name))
        {
            return Error.Validation(new FieldError("name", $"must be 1 to {LongestName} printable characters"));
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync("SELECT pg_advisory_xact_lock(@LockClass, 0)", new { LockClass });
        var key = await connection.QuerySingleOrDefaultAsync<long?>(
            "SELECT customer_key FROM customer WHERE customer_id = @customerId AND NOT erased FOR SHARE",
            new { customerId }
        );
        if (key is null)
        {
            return Error.NotFound("customer", customerId);
        }

        var others = await connection.QuerySingleAsync<int>(
            "SELECT count(*)::integer FROM tester WHERE customer_key <> @key",
            new { key }
        );
        if (others >= Most)
        {
            return new Error(
                ErrorKind.Conflict,
                "too-many-testers",
                $"There are {Most} testers, and there may be no more: take one off the list first."
            );
        }

        var now = await BusinessClock.NowAsync(connection);
        await connection.ExecuteAsync(
            """
            INSERT INTO tester (customer_key, name, added_by, added_at) VALUES (@key, @name, @Id, @now)
            ON CONFLICT (customer_key) DO UPDATE
            SET name = excluded.name, added_by = excluded.added_by, added_at = excluded.added_at
            """,
            new
            {
                key,
                name,
                actor.Id,
                now,
            }
        );
        await AuditLog.WriteAsync(connection, now, actor, "added", "tester", customerId, new { name });
        await transaction.CommitAsync(cancellationToken);
        return new Tester
        {
            CustomerId = customerId,
            Name = name,
            AddedBy = actor.Id,
            AddedAt = now,
        };
    }

    /// <summary>Takes a customer off the list; 404 where she is not on it.</summary>
    public async Task<Result<Done>> RemoveAsync(Actor actor, string customerId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var removed = await connection.ExecuteAsync(
            """
            DELETE FROM tester t USING customer c
            WHERE c.customer_key = t.customer_key AND c.customer_id = @customerId
            """,
            new { customerId }
        );
        if (removed == 0)
        {
            return Error.NotFound("tester", customerId);
        }

        var now = await BusinessClock.NowAsync(connection);
        await AuditLog.WriteAsync(connection, now, actor, "removed", "tester", customerId);
        await transaction.CommitAsync(cancellationToken);
        return default(Done);
    }

    /// <summary>All testers, by id.</summary>
    public async Task<IReadOnlyList<Tester>> ListAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var testers = await connection.QueryAsync<Tester>(
            new CommandDefinition(
                """
                SELECT c.customer_id, t.name, t.added_by, t.added_at
                FROM tester t
                JOIN customer c USING (customer_key)
                ORDER BY c.customer_id COLLATE "C"
                """,
                cancellationToken: cancellationToken
            )
        );
        return testers.AsList();
    }
}
