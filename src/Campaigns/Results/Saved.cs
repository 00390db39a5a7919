namespace Campaigns.Results;

/// <summary>A change, or the lack of one.</summary>
/// <param name="Created">Whether there was none of this id before.</param>
public sealed record Saved<T>(T Value, bool Created);
