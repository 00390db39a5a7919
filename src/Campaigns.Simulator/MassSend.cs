namespace Campaigns.Simulator;

/// <summary>Counts one mass send over as many pages as its lines fill.</summary>
internal sealed class MassSend
{
    private DateTimeOffset _at;
    private int _total;
    private int _filtered;
    private int _sent;

    internal string? Id { get; private set; }

    internal void Begin(string id, DateTimeOffset at) => (Id, _at, _total, _filtered, _sent) = (id, at, 0, 0, 0);

    internal void Count(LedgerEntry entry)
    {
        _total++;
        _filtered += entry.Outcome == Outcome.Accepted ? 1 : 0;
        _sent += entry.Fate == Fate.Delivered ? 1 : 0;
    }

    /// <summary>What was counted, once; null when nothing was begun.</summary>
    internal (string Id, DateTimeOffset At, int Total, int Filtered, int Sent)? End()
    {
        var ended = Id is { } id
            ? (id, _at, _total, _filtered, _sent)
            : default((string, DateTimeOffset, int, int, int)?);
        Id = null;
        return ended;
    }
}
