using Npgsql;

namespace Campaigns.Customers;

/// <summary>How an index finds some customers best. A chunk's lie close together, as a rule, and one range is read faster
/// than a thousand places; chunks of members may lie far apart.</summary>
/// <param name="Keys">Ascending; at least one.</param>
internal sealed record KeyRange(long[] Keys)
{
    private const long Sparse = 8;

    private long Low => Keys[0];
    private long High => Keys[^1];

    /// <summary>Whether so many of the range are meant that it is read as one.</summary>
    public bool IsDense => High - Low < Sparse * Keys.Length;

    private bool IsWhole => High - Low == Keys.Length - 1;

    /// <summary>SQL that finds them and nobody else.</summary>
    public string Exactly(string column) =>
        IsDense && !IsWhole ? $"{AtLeast(column)} AND get_bit(@members, {column} - @low) = 1" : AtLeast(column);

    /// <summary>SQL that finds them, and whoever else lies between.</summary>
    public string AtLeast(string column) => IsDense ? $"{column} BETWEEN @low AND @high" : $"{column} = ANY (@keys)";

    /// <summary>Adds what the SQL names.</summary>
    public void Bind(NpgsqlParameterCollection parameters)
    {
        if (!IsDense)
        {
            parameters.AddWithValue("keys", Keys);
            return;
        }

        parameters.AddWithValue("low", Low);
        parameters.AddWithValue("high", High);
        if (!IsWhole)
        {
            parameters.AddWithValue("members", Members());
        }
    }

    // A bit for each key of the range, as get_bit counts them: asked once a row, where a list would be searched.
    private byte[] Members()
    {
        var members = new byte[((High - Low) / 8) + 1];
        foreach (var key in Keys)
        {
            members[(key - Low) / 8] |= (byte)(1 << (int)((key - Low) % 8));
        }

        return members;
    }
}
