namespace Campaigns.Segments;

/// <summary>A segment as it was saved; never changes.</summary>
/// <param name="Rule">Null for an uploaded list, which has a key instead.</param>
/// <param name="Uses">The version of each segment that the rule names.</param>
internal sealed record SegmentVersion(
    string SegmentId,
    int Version,
    Rule? Rule,
    int? ListKey,
    IReadOnlyDictionary<string, int> Uses
);
