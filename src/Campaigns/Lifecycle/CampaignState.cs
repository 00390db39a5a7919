namespace Campaigns.Lifecycle;

/// <summary>Where a campaign stands. The moves between states are in <see cref="CampaignMoves"/>.</summary>
public enum CampaignState
{
    /// <summary>May be edited; nobody has been asked to approve it.</summary>
    Draft,

    /// <summary>Waits for an approver.</summary>
    Submitted,

    /// <summary>May be launched, exactly as it was approved.</summary>
    Approved,

    /// <summary>Plans and sends.</summary>
    Running,

    /// <summary>Sends nothing; planning goes on.</summary>
    Paused,

    /// <summary>Every run has closed.</summary>
    Finished,

    /// <summary>Ended by somebody.</summary>
    Cancelled,
}

/// <summary>What somebody, or the service, does to a campaign.</summary>
public enum CampaignMove
{
    Edit,
    Submit,
    Approve,
    Reject,
    Launch,
    Pause,
    Resume,

    /// <summary>Its run could not be planned, or was outside what was approved.</summary>
    Stop,
    Finish,
    Cancel,
}

/// <summary>The one table of moves; the database holds the same pairs by a trigger. Drawn:
/// <code>
///            edit, reject          edit
///          ┌──────────────┐  ┌───────────────┐
///          ▼              │  ▼               │
/// (new)─▶ draft ─submit─▶ submitted ─approve─▶ approved ─launch─▶ running ─finish─▶ finished
///          │              │                  │               │    ▲
///          │              │                  │          pause ▼    │ resume
///          │              │                  │                paused
///          └──────────────┴─────── cancel ───┴───────────────────┴─▶ cancelled
/// </code>
/// An edit of any state left of running leads to draft. So does the service's stop of a campaign that is running or paused,
/// whose run could not be planned or was outside what was approved: nothing was sent of it, and it goes on as a draft does,
/// by submission and approval of what it is today.</summary>
public static class CampaignMoves
{
    private static readonly Dictionary<CampaignMove, (CampaignState[] From, CampaignState To, string Action)> Table =
        new()
        {
            [CampaignMove.Edit] = (
                [CampaignState.Draft, CampaignState.Submitted, CampaignState.Approved],
                CampaignState.Draft,
                "edited"
            ),
            [CampaignMove.Submit] = ([CampaignState.Draft], CampaignState.Submitted, "submitted"),
            [CampaignMove.Approve] = ([CampaignState.Submitted], CampaignState.Approved, "approved"),
            [CampaignMove.Reject] = ([CampaignState.Submitted], CampaignState.Draft, "rejected"),
            [CampaignMove.Launch] = ([CampaignState.Approved], CampaignState.Running, "launched"),
            [CampaignMove.Pause] = ([CampaignState.Running], CampaignState.Paused, "paused"),
            [CampaignMove.Resume] = ([CampaignState.Paused], CampaignState.Running, "resumed"),
            [CampaignMove.Stop] = ([CampaignState.Running, CampaignState.Paused], CampaignState.Draft, "stopped"),
            [CampaignMove.Finish] = ([CampaignState.Running], CampaignState.Finished, "finished"),
            [CampaignMove.Cancel] = (
                [
                    CampaignState.Draft,
                    CampaignState.Submitted,
                    CampaignState.Approved,
                    CampaignState.Running,
                    CampaignState.Paused,
                ],
                CampaignState.Cancelled,
                "cancelled"
            ),
        };

    /// <summary>The states from which the move is allowed.</summary>
    public static IReadOnlyList<CampaignState> From(CampaignMove move) => Table[move].From;

    /// <summary>The state it leads to.</summary>
    public static CampaignState To(CampaignMove move) => Table[move].To;

    /// <summary>As the audit log says it.</summary>
    internal static string Action(CampaignMove move) => Table[move].Action;
}
