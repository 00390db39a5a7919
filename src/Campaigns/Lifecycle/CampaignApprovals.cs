using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Lifecycle;

/// <summary>Submitting, approving and rejecting, by two people, of one exact version.</summary>
public sealed class CampaignApprovals(NpgsqlDataSource dataSource, CampaignBinding binding)
{
    /// <summary>Asks for approval of the newest version, and binds all that it stands for: the segments and templates in
    /// their versions of now.</summary>
    /// <param name="seen">The version the caller saw last; null where it does not say.</param>
    /// <returns>404; 409 <c>invalid-state</c>; 412 <c>version-mismatch</c>; 422 where what the campaign names has gone or no
    /// longer fits, or its last day has passed.</returns>
    public Task<Result<Campaign>> SubmitAsync(
        Actor actor,
        string campaignId,
        Submission submission,
        int? seen,
        CancellationToken cancellationToken
    ) =>
        ChangeAsync(
            campaignId,
            CampaignMove.Submit,
            seen,
            async (connection, row, now) =>
            {
                if (submission.ExpectedAudience < 0)
                {
                    return Error.Validation(new FieldError("expectedAudience", "must be at least 0"));
                }

                var bound = await binding.ForSubmissionAsync(
                    connection,
                    row.ReadDefinition(),
                    submission.ExpectedAudience,
                    now,
                    cancellationToken
                );
                return bound.TryGet(out var all, out var error)
                    ? await StoreAsync(connection, row, all, actor, now)
                    : error;
            },
            actor,
            cancellationToken
        );

    /// <summary>Approves the version that the approver has seen.</summary>
    /// <returns>403 <c>self-approval</c> for whoever edited this version, or one before it since the last that was
    /// approved, or submitted it; 404; 409 <c>invalid-state</c>; 412 <c>version-mismatch</c>.</returns>
    public Task<Result<Campaign>> ApproveAsync(
        Actor actor,
        string campaignId,
        ApprovalDecision decision,
        int seen,
        CancellationToken cancellationToken
    ) => DecideAsync(actor, campaignId, CampaignMove.Approve, decision, seen, cancellationToken);

    /// <summary>Sends the version back: it is a draft again, and may be edited or submitted anew.</summary>
    /// <returns>404; 409 <c>invalid-state</c>; 412 <c>version-mismatch</c>.</returns>
    public Task<Result<Campaign>> RejectAsync(
        Actor actor,
        string campaignId,
        ApprovalDecision decision,
        int seen,
        CancellationToken cancellationToken
    ) => DecideAsync(actor, campaignId, CampaignMove.Reject, decision, seen, cancellationToken);

    /// <summary>What was approved, for a run that is to be made of it now: nobody changes the campaign before the
    /// connection's transaction ends.</summary>
    /// <returns>404; 409 <c>invalid-state</c> when it is not approved; 409 <c>assessment-missing</c> when it uses
    /// sensitive data and the campaign names no impact assessment.</returns>
    public static async Task<Result<ApprovedCampaign>> ApprovedAsync(NpgsqlConnection connection, string campaignId)
    {
        if (await CampaignRow.LockAsync(connection, campaignId) is not { } row)
        {
            return Error.NotFound("campaign", campaignId);
        }

        if (row.State != CampaignState.Approved || row.ReadBound() is not { } bound)
        {
            return Refuse(row, CampaignMove.Launch);
        }

        if (!Documents.Hash(bound).AsSpan().SequenceEqual(row.Hash))
        {
            throw new InvalidOperationException($"What is bound to campaign '{campaignId}' is not what was approved.");
        }

        if (bound is { UsesSensitive: true, Definition.Assessment: null })
        {
            return new Error(
                ErrorKind.Conflict,
                "assessment-missing",
                "A rule or a template uses sensitive data: name the impact assessment in the campaign, and have that approved."
            )
            {
                Fields = [new FieldError("assessment", "is required where a rule or a template uses sensitive data")],
            };
        }

        return new ApprovedCampaign
        {
            CampaignKey = row.CampaignKey,
            CampaignId = row.CampaignId,
            Version = row.Version,
            Approval = row.ToCampaign().Approval!,
        };
    }

    private Task<Result<Campaign>> DecideAsync(
        Actor actor,
        string campaignId,
        CampaignMove move,
        ApprovalDecision decision,
        int seen,
        CancellationToken cancellationToken
    ) =>
        ChangeAsync(
            campaignId,
            move,
            seen,
            async (connection, row, now) =>
            {
                if (decision.Comment?.Length > 1_000)
                {
                    return Error.Validation(new FieldError("comment", "must have at most 1000 characters"));
                }

                if (move == CampaignMove.Approve && await IsOwnWorkAsync(connection, row, actor))
                {
                    return new Error(
                        ErrorKind.Forbidden,
                        "self-approval",
                        "Whoever edited or submitted this version cannot approve it: ask somebody else."
                    );
                }

                await connection.ExecuteAsync(
                    """
                    UPDATE approval SET decided_by = @by, decided_at = @now, approved = @approved,
                        allows_over65 = @allowsOver65, comment = @Comment
                    WHERE campaign_key = @CampaignKey AND version = @Version
                    """,
                    new
                    {
                        row.CampaignKey,
                        row.Version,
                        by = actor.Id,
                        now,
                        approved = move == CampaignMove.Approve,
                        allowsOver65 = move == CampaignMove.Approve && decision.AllowOver65,
                        decision.Comment,
                    }
                );
                if (move == CampaignMove.Approve && row.ReadDefinition().Goal.Event is { } goal)
                {
                    await EventNames.LearnAsync(connection, goal);
                }

                return new Done();
            },
            actor,
            cancellationToken
        );

    private static Task<bool> IsOwnWorkAsync(NpgsqlConnection connection, CampaignRow row, Actor actor) =>
        connection.QuerySingleAsync<bool>(
            """
            SELECT EXISTS (
                SELECT FROM campaign_version v
                WHERE v.campaign_key = @CampaignKey AND v.version <= @Version AND v.edited_by = @by
                  AND v.version > coalesce((
                      SELECT max(a.version) FROM approval a
                      WHERE a.campaign_key = @CampaignKey AND a.version < @Version AND a.approved), 0)
            ) OR EXISTS (
                SELECT FROM approval a
                WHERE a.campaign_key = @CampaignKey AND a.version = @Version AND a.submitted_by = @by
            )
            """,
            new
            {
                row.CampaignKey,
                row.Version,
                by = actor.Id,
            }
        );

    private static async Task<Result<Done>> StoreAsync(
        NpgsqlConnection connection,
        CampaignRow row,
        Bound bound,
        Actor actor,
        DateTimeOffset now
    )
    {
        await connection.ExecuteAsync(
            """
            INSERT INTO approval (campaign_key, version, bound, hash, submitted_by, submitted_at)
            VALUES (@CampaignKey, @Version, @document::jsonb, @hash, @by, @now)
            ON CONFLICT (campaign_key, version) DO UPDATE
                SET bound = excluded.bound, hash = excluded.hash, submitted_by = excluded.submitted_by,
                    submitted_at = excluded.submitted_at, decided_by = NULL, decided_at = NULL, approved = NULL,
                    allows_over65 = false, comment = NULL
            """,
            new
            {
                row.CampaignKey,
                row.Version,
                document = Documents.Write(bound),
                hash = Documents.Hash(bound),
                by = actor.Id,
                now,
            }
        );
        return new Done();
    }

    private async Task<Result<Campaign>> ChangeAsync(
        string campaignId,
        CampaignMove move,
        int? seen,
        Func<NpgsqlConnection, CampaignRow, DateTimeOffset, Task<Result<Done>>> change,
        Actor actor,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (await CampaignRow.LockAsync(connection, campaignId) is not { } row)
        {
            return Error.NotFound("campaign", campaignId);
        }

        if (seen is not null && seen != row.Version)
        {
            return Error.VersionMismatch("campaign", campaignId, row.Version);
        }

        if (!CampaignMoves.From(move).Contains(row.State))
        {
            return Refuse(row, move);
        }

        var now = await BusinessClock.NowAsync(connection);
        if (!(await change(connection, row, now)).TryGet(out _, out var error))
        {
            return error;
        }

        var moved = (await CampaignRow.LockAsync(connection, campaignId))!;
        await CampaignStates.MoveAsync(
            connection,
            row.CampaignKey,
            move,
            actor,
            now,
            new
            {
                version = row.Version,
                hash = Convert.ToHexStringLower(moved.Hash!),
                allowsOver65 = moved.AllowsOver65,
            }
        );
        var campaign = (await CampaignRow.LockAsync(connection, campaignId))!.ToCampaign();
        await transaction.CommitAsync(cancellationToken);
        return campaign;
    }

    private static Error Refuse(CampaignRow row, CampaignMove move) =>
        Error.InvalidState(
            $"Campaign '{row.CampaignId}' is {ProductJson.NameOf(row.State)}; only one that is "
                + $"{string.Join(" or ", CampaignMoves.From(move).Select(ProductJson.NameOf))} can be "
                + $"{CampaignMoves.Action(move)}."
        );
}
