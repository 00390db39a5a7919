using Campaigns.Demo;
using Campaigns.Faults.Running;
using Dapper;

namespace Campaigns.Faults.Checks;

/// <summary>A request: its run, its chunk and its number.</summary>
internal sealed record RequestId(int RunKey, int Chunk, int Request);

/// <summary>A row of <c>attempt</c>.</summary>
internal sealed class AttemptFact
{
    public int RunKey { get; init; }
    public int Chunk { get; init; }
    public int Request { get; init; }
    public short Channel { get; init; }
    public DateTimeOffset AttemptedAt { get; init; }
    public string? RequestKey { get; init; }
    public long[] CustomerKeys { get; init; } = [];
    public long[]? WithheldKeys { get; init; }
    public short[]? WithheldReasons { get; init; }
    public DateTimeOffset OpensAt { get; init; }
    public DateTimeOffset ClosesAt { get; init; }
    public RequestId Id => new(RunKey, Chunk, Request);
}

/// <summary>A row of <c>outcome</c>: one state a member, or one for all.</summary>
internal sealed class OutcomeFact
{
    public int RunKey { get; init; }
    public int Chunk { get; init; }
    public int Request { get; init; }
    public short Answer { get; init; }
    public short[] States { get; init; } = [];
    public RequestId Id => new(RunKey, Chunk, Request);

    public short StateOf(int member) => States.Length == 1 ? States[0] : States[member];
}

/// <summary>A row of <c>receipt</c>.</summary>
internal sealed class ReceiptFact
{
    public int RunKey { get; init; }
    public int Chunk { get; init; }
    public int Request { get; init; }
    public long CustomerKey { get; init; }
    public short State { get; init; }
    public RequestId Id => new(RunKey, Chunk, Request);
}

/// <summary>A row of <c>decision</c>.</summary>
internal sealed class DecisionFact
{
    public int RunKey { get; init; }
    public long CustomerKey { get; init; }
    public string Kind { get; init; } = "";
}

/// <summary>A run, with what its own chunks say.</summary>
internal sealed class RunFact
{
    public int RunKey { get; init; }
    public string CampaignId { get; init; } = "";
    public string State { get; init; } = "";
    public int Waiting { get; init; }
}

/// <summary>All that the tables and the provider's ledger say, read once, by plain SQL.</summary>
internal sealed class Facts
{
    public required IReadOnlyDictionary<int, RunFact> Runs { get; init; }
    public required ILookup<int, DecisionFact> Decisions { get; init; }
    public required IReadOnlyList<AttemptFact> Attempts { get; init; }
    public required IReadOnlyDictionary<RequestId, OutcomeFact> Outcomes { get; init; }
    public required ILookup<RequestId, ReceiptFact> Receipts { get; init; }
    public required IReadOnlyList<Sent> Ledger { get; init; }

    /// <summary>By customer key, and back.</summary>
    public required IReadOnlyDictionary<long, int> Numbers { get; init; }
    public required IReadOnlyDictionary<int, long> Keys { get; init; }

    /// <summary>By the name that the provider knows them by; none may share one.</summary>
    public required ILookup<(short Channel, string Key), AttemptFact> ByKey { get; init; }

    public static async Task<Facts> ReadAsync(Scene scene)
    {
        await using var connection = await scene.Sql.OpenConnectionAsync();
        var runs = await connection.QueryAsync<RunFact>(
            """
            SELECT r.run_key, p.campaign_id, r.state,
                   (SELECT count(*)::int FROM chunk c WHERE c.run_key = r.run_key AND c.state = 0) AS waiting
            FROM run r
            JOIN campaign p USING (campaign_key)
            """
        );
        var decisions = await connection.QueryAsync<DecisionFact>(
            "SELECT d.run_key, d.customer_key, r.kind FROM decision d JOIN decision_reason r USING (reason)"
        );
        var attempts = (
            await connection.QueryAsync<AttemptFact>(
                """
                SELECT a.run_key, a.chunk, a.request, a.channel, a.attempted_at, a.request_key, a.customer_keys,
                       a.withheld_keys, a.withheld_reasons, w.opens_at, w.closes_at
                FROM attempt a
                JOIN chunk c USING (run_key, chunk)
                JOIN wave w ON w.run_key = c.run_key AND w.wave = c.wave
                ORDER BY a.run_key, a.chunk, a.request
                """
            )
        ).AsList();
        var outcomes = await connection.QueryAsync<OutcomeFact>(
            "SELECT DISTINCT ON (run_key, chunk, request) * FROM outcome ORDER BY run_key, chunk, request, answer DESC"
        );
        var receipts = await connection.QueryAsync<ReceiptFact>(
            "SELECT run_key, chunk, request, customer_key, state FROM receipt"
        );
        var customers = (
            await connection.QueryAsync<(long Key, string Id)>("SELECT customer_key, customer_id FROM customer")
        ).AsList();
        return new Facts
        {
            Runs = runs.ToDictionary(run => run.RunKey),
            Decisions = decisions.ToLookup(decision => decision.RunKey),
            Attempts = attempts,
            Outcomes = outcomes.ToDictionary(outcome => outcome.Id),
            Receipts = receipts.ToLookup(receipt => receipt.Id),
            Ledger = await ProviderView.LedgerAsync(scene.Provider),
            Numbers = customers.ToDictionary(customer => customer.Key, customer => SmallBank.Number(customer.Id)),
            Keys = customers.ToDictionary(customer => SmallBank.Number(customer.Id), customer => customer.Key),
            ByKey = attempts
                .Where(attempt => attempt.RequestKey is not null)
                .ToLookup(attempt => (attempt.Channel, attempt.RequestKey!)),
        };
    }

    public static short Number(string channel) =>
        (short)(
            channel == "sms" ? 1
            : channel == "wechat" ? 2
            : 3
        );

    /// <summary>The attempt that a line of the ledger is about; null where none was committed.</summary>
    public AttemptFact? AttemptOf(Sent line) =>
        line.RequestKey is { } key ? ByKey[(Number(line.Channel), key)].FirstOrDefault() : null;

    /// <summary>Whom a line of the ledger reached.</summary>
    public long KeyOf(Sent line) =>
        SyntheticAddress.Owner(line.Channel, line.Address) is { } n ? Keys.GetValueOrDefault(n) : 0;
}
