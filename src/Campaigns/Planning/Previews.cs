using Campaigns.Database;
using Campaigns.Lifecycle;
using Campaigns.Results;
using Campaigns.Segments;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>What a run would decide if it were launched now.</summary>
public sealed record Preview
{
    public required string CampaignId { get; init; }
    public required int Version { get; init; }

    /// <summary>The instant it was reckoned for.</summary>
    public required DateTimeOffset AsOf { get; init; }
    public required Ledger Ledger { get; init; }
    public required IReadOnlyList<TimetableLine> Timetable { get; init; }
}

/// <summary>Previews: the planning statement itself, over all parts, rolled back.</summary>
public sealed class Previews(NpgsqlDataSource dataSource, CampaignBinding binding, SegmentStore segments)
{
    /// <summary>Previews the newest version of a campaign, whatever its state.</summary>
    /// <param name="progress">Told how many parts of how many are done; null for nobody.</param>
    /// <returns>404; 422 as submitting would; 422 <c>no-window-left</c>.</returns>
    public async Task<Result<Preview>> OfAsync(
        string campaignId,
        Func<int, int, Task>? progress,
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

        var parts = (
            await connection.QueryAsync<(long Low, long High)>(
                "SELECT low_key, high_key FROM run_part WHERE run_key = @RunKey ORDER BY part",
                new { run.RunKey }
            )
        ).AsList();
        for (var i = 0; i < parts.Count; i++)
        {
            await using var insert = run.Statement.Command(
                connection,
                PartPlanner.Insert(run.RunKey, run.Statement),
                parts[i].Low,
                parts[i].High
            );
            await insert.ExecuteNonQueryAsync(cancellationToken);
            if (progress is not null)
            {
                await progress(i + 1, parts.Count);
            }
        }

        var counts = await RunCompletion.CountAsync(connection, run.RunKey, RunTable.Name(run.RunKey));
        await RunCompletion.StoreCountsAsync(connection, run.RunKey, counts);
        return new Preview
        {
            CampaignId = campaignId,
            Version = run.Plan.CampaignVersion,
            AsOf = run.AsOf,
            Ledger = Ledgers.Of(counts, run.Plan),
            Timetable = await Ledgers.TimetableAsync(connection, run.RunKey),
        };
    }
}
