using System.Text.Json;
using System.Threading.Channels;
using Campaigns.Access;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Campaigns.Operations;
using Campaigns.Results;
using Campaigns.Segments;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>Previews: the planning statement itself, over all parts, rolled back; as an operation that can be watched.
/// </summary>
public sealed class Previews(
    NpgsqlDataSource dataSource,
    CampaignBinding binding,
    SegmentStore segments,
    OperationLog operations,
    TimeProvider time
)
{
    internal const string Kind = "preview";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(25);

    /// <summary>Fires when there is something to preview.</summary>
    internal Channel<byte> Asked { get; } =
        Channel.CreateBounded<byte>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Previews the newest version of a campaign, whatever its state.</summary>
    /// <returns>The operation, whose result is a <see cref="Preview"/>: done where that took no more than two seconds, else
    /// to be watched. 404; 422 as submitting would; 422 <c>no-window-left</c>.</returns>
    public async Task<Result<Operation>> StartAsync(string campaignId, Actor actor, CancellationToken cancellationToken)
    {
        if (await RefusalAsync(campaignId, cancellationToken) is { } refused)
        {
            return refused;
        }

        var operationId = await BeginAsync(campaignId, actor, cancellationToken);
        Asked.Writer.TryWrite(0);
        var asked = time.GetTimestamp();
        while (true)
        {
            var operation = await operations.GetAsync(Actor.Service, operationId, cancellationToken);
            if (operation.Value is not { State: OperationState.Running } || time.GetElapsedTime(asked) > Patience)
            {
                return operation;
            }

            await Task.Delay(AskAgain, time, cancellationToken);
        }
    }

    /// <summary>The newest preview of a campaign that succeeded, of whichever version; 404.</summary>
    public async Task<Result<Preview>> NewestAsync(string campaignId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var result = await connection.QuerySingleOrDefaultAsync<string?>(
            """
            SELECT result::text FROM operation
            WHERE kind = @Kind AND subject_id = @campaignId AND state = 'succeeded'
            ORDER BY started_at DESC, operation_id DESC LIMIT 1
            """,
            new { Kind, campaignId }
        );
        return result is null
            ? Error.NotFound("preview of campaign", campaignId)
            : JsonSerializer.Deserialize<Preview>(result, ProductJson.Options)!;
    }

    /// <param name="progress">Told how many parts of how many are done.</param>
    internal async Task<Result<Preview>> OfAsync(
        string campaignId,
        Func<int, int, Task> progress,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var made = await RehearsedRun.CreateAsync(connection, campaignId, binding, segments, cancellationToken);
        if (!made.TryGet(out var run, out var error))
        {
            return error;
        }

        await DecideAsync(connection, run, progress, cancellationToken);
        var slices = await DecisionSlice.CountAsync(connection, run.RunKey, long.MaxValue, cancellationToken);
        var counts = Ledgers.Rows(slices);
        await RunCompletion.StoreCountsAsync(connection, run.RunKey, counts);
        var ledger = Ledgers.Of(counts, run.Plan);
        return new Preview
        {
            CampaignId = campaignId,
            Version = run.Plan.CampaignVersion,
            AsOf = run.AsOf,
            Ledger = ledger,
            Timetable = await Ledgers.TimetableAsync(connection, run.RunKey),
            SmallestEffect = SmallestEffect.Of(
                ledger.Touches,
                ledger.HeldOut,
                run.Plan.Goal.Event is null ? null : await ConvertedBeforeAsync(connection, run, cancellationToken)
            ),
            Cost = await PreviewCost.OfAsync(connection, run.Plan, counts, binding),
        };
    }

    private async Task<Error?> RefusalAsync(string campaignId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        return (await RehearsedRun.BindAsync(connection, campaignId, binding, cancellationToken)).Error;
    }

    private async Task<string> BeginAsync(string campaignId, Actor actor, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var now = await BusinessClock.NowAsync(connection);
        return await OperationLog.StartAsync(connection, actor, Kind, campaignId, total: null, now);
    }

    private static async Task DecideAsync(
        NpgsqlConnection connection,
        RehearsedRun run,
        Func<int, int, Task> progress,
        CancellationToken cancellationToken
    )
    {
        var parts = (
            await connection.QueryAsync<(long Low, long High)>(
                "SELECT low_key, high_key FROM run_part WHERE run_key = @RunKey ORDER BY part",
                new { run.RunKey }
            )
        ).AsList();
        await progress(0, parts.Count);
        for (var i = 0; i < parts.Count; i++)
        {
            await using var insert = run.Statement.Command(
                connection,
                PartPlanner.Insert(run.RunKey, run.Statement),
                parts[i].Low,
                parts[i].High
            );
            await insert.ExecuteNonQueryAsync(cancellationToken);
            await progress(i + 1, parts.Count);
        }
    }

    private static async Task<long> ConvertedBeforeAsync(
        NpgsqlConnection connection,
        RehearsedRun run,
        CancellationToken cancellationToken
    )
    {
        // The decisions were written just now and have no statistics: a loop in a loop must not look cheap.
        await connection.ExecuteAsync("SET LOCAL enable_nestloop = off");
        return await connection.QuerySingleAsync<long>(
            new CommandDefinition(
                $"""
                SELECT count(DISTINCT d.customer_key)
                FROM {RunTable.Name(run.RunKey)} d
                JOIN event e ON e.customer_key = d.customer_key
                WHERE d.run_key = @RunKey AND d.reason IN (0, 21)
                    AND e.event_type = (SELECT event_type FROM event_type WHERE name = @Event)
                    AND e.occurred_at > @since AND e.occurred_at <= @until AND {Goal.Matches}
                    AND NOT {EventNames.IsTakenBack}
                """,
                new
                {
                    run.RunKey,
                    run.Plan.Goal.Event,
                    run.Plan.Goal.AtLeast,
                    Currency = run.Plan.Goal.ValueCurrency,
                    Where = run.Plan.Goal.WhereText(),
                    since = run.AsOf - run.Plan.Goal.Window,
                    until = run.AsOf,
                },
                commandTimeout: 0,
                cancellationToken: cancellationToken
            )
        );
    }
}
