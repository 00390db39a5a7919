using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Lifecycle;

/// <summary>Campaigns as they are drafted.</summary>
public sealed class CampaignRegister(NpgsqlDataSource dataSource)
{
    /// <summary>Makes a campaign, or a new version of one: the version then is a draft again, and an approval is void. The
    /// same definition again changes nothing.</summary>
    /// <param name="seen">The version the caller saw last; null where it does not say.</param>
    /// <returns>400 <c>validation-failed</c>; 422 <c>invalid-window</c>, <c>servicing-sale</c>, <c>unknown-segment</c>,
    /// <c>unknown-template</c>, <c>template-mismatch</c>, <c>unknown-calendar</c>, <c>unknown-rule-field</c>, with every
    /// field at fault; 409 <c>invalid-state</c> once it was launched; 412 <c>version-mismatch</c>.</returns>
    public async Task<Result<Saved<Campaign>>> PutAsync(
        Actor actor,
        string campaignId,
        CampaignDefinition definition,
        int? seen,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var faults = new FaultList();
        faults.CheckId("campaignId", campaignId);
        CampaignChecks.Check(definition, faults);
        await CampaignReferences.CheckAsync(connection, definition, faults);
        if (faults.ToError() is { } error)
        {
            return error;
        }

        var now = await BusinessClock.NowAsync(connection);
        var created =
            1
            == await connection.ExecuteAsync(
                """
                INSERT INTO campaign (campaign_id, version, state, updated_at) VALUES (@campaignId, 0, 'draft', @now)
                ON CONFLICT DO NOTHING
                """,
                new { campaignId, now }
            );
        var row = (await CampaignRow.LockAsync(connection, campaignId))!;
        if (seen is not null && seen != row.Version)
        {
            return Error.VersionMismatch("campaign", campaignId, row.Version);
        }

        if (!CampaignMoves.From(CampaignMove.Edit).Contains(row.State))
        {
            return Error.InvalidState(
                $"Campaign '{campaignId}' is {ProductJson.NameOf(row.State)}: what was launched is not edited any more."
            );
        }

        if (!created && Documents.Same(row.ReadDefinition(), definition))
        {
            return new Saved<Campaign>(row.ToCampaign(), Created: false);
        }

        await InsertAsync(connection, row, definition, actor, now);
        await CampaignStates.MoveAsync(
            connection,
            row.CampaignKey,
            CampaignMove.Edit,
            actor,
            now,
            new { version = row.Version + 1, was = ProductJson.NameOf(row.State) }
        );
        var saved = (await CampaignRow.LockAsync(connection, campaignId))!.ToCampaign();
        await transaction.CommitAsync(cancellationToken);
        return new Saved<Campaign>(saved, created);
    }

    /// <summary>The newest version; 404.</summary>
    public async Task<Result<Campaign>> GetAsync(string campaignId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await CampaignRow.FindAsync(connection, campaignId) is { } row
            ? row.ToCampaign()
            : Error.NotFound("campaign", campaignId);
    }

    /// <summary>Campaigns by id.</summary>
    /// <param name="state">Those that stand there; null for all.</param>
    /// <param name="after">The id after which to begin; null for the beginning.</param>
    public async Task<IReadOnlyList<CampaignSummary>> ListAsync(
        CampaignState? state,
        string? after,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var rows = await connection.QueryAsync<(string Id, int Version, string State, string Name, DateTime UpdatedAt)>(
            """
            SELECT c.campaign_id, c.version, c.state, v.definition->>'name', c.updated_at
            FROM campaign c JOIN campaign_version v USING (campaign_key, version)
            WHERE c.campaign_id COLLATE "C" > @after AND (@state::text IS NULL OR c.state = @state)
            ORDER BY c.campaign_id COLLATE "C" LIMIT @limit
            """,
            new
            {
                after = after ?? "",
                state = state is { } asked ? ProductJson.NameOf(asked) : null,
                limit,
            }
        );
        return
        [
            .. rows.Select(row => new CampaignSummary
            {
                CampaignId = row.Id,
                Version = row.Version,
                State = Enum.Parse<CampaignState>(row.State, ignoreCase: true),
                Name = row.Name,
                UpdatedAt = new DateTimeOffset(row.UpdatedAt, TimeSpan.Zero),
            }),
        ];
    }

    private static async Task InsertAsync(
        NpgsqlConnection connection,
        CampaignRow row,
        CampaignDefinition definition,
        Actor actor,
        DateTimeOffset now
    )
    {
        await connection.ExecuteAsync(
            """
            INSERT INTO campaign_version (campaign_key, version, definition, edited_by, edited_at)
            VALUES (@CampaignKey, @version, @document::jsonb, @by, @now);
            UPDATE campaign SET version = @version WHERE campaign_key = @CampaignKey
            """,
            new
            {
                row.CampaignKey,
                version = row.Version + 1,
                document = Documents.Write(definition),
                by = actor.Id,
                now,
            }
        );
    }
}
