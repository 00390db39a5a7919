namespace Campaigns.Dispatch;

/// <summary>How an index finds some customers best. A chunk's lie close together, as a rule, and one range is read faster
/// than a thousand places; chunks of members may lie far apart. The parameters of the SQL are <c>low</c>, <c>high</c> and
/// <c>keys</c>.</summary>
/// <param name="Low">The lowest key.</param>
/// <param name="High">The highest key.</param>
/// <param name="IsDense">Whether so many of the range are meant that it is read as one.</param>
internal readonly record struct KeyRange(long Low, long High, bool IsDense)
{
    private const long Sparse = 8;

    /// <param name="keys">Ascending; at least one.</param>
    public static KeyRange Of(long[] keys) => new(keys[0], keys[^1], keys[^1] - keys[0] < Sparse * keys.Length);

    /// <summary>SQL that finds them and nobody else.</summary>
    // The sum keeps the index to the range.
    public string Exactly(string column) =>
        IsDense ? $"{AtLeast(column)} AND {column} + 0 = ANY (@keys)" : AtLeast(column);

    /// <summary>SQL that finds them, and whoever else lies between.</summary>
    public string AtLeast(string column) => IsDense ? $"{column} BETWEEN @low AND @high" : $"{column} = ANY (@keys)";
}
