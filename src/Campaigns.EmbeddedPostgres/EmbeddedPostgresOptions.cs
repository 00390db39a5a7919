namespace Campaigns.Embedded;

/// <summary>How and where a private PostgreSQL runs.</summary>
public sealed record EmbeddedPostgresOptions
{
    /// <summary>
    /// Directory that holds the cluster, its password and its port; made when absent, kept when the server stops.
    /// One server at a time. See <see cref="EmbeddedPostgres.DefaultDirectory"/>.
    /// </summary>
    public required string DataDirectory { get; init; }

    /// <summary>True keeps every commit through a power failure; false (for tests) is faster and does not.</summary>
    public bool Durable { get; init; } = true;

    /// <summary>Connections accepted at once, from 10 up.</summary>
    public int MaxConnections { get; init; } = 200;

    /// <summary>Server settings that win over the built-in ones, by PostgreSQL's names.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Told, in one line each, what takes time or changes the machine.</summary>
    public Action<string>? Log { get; init; }

    /// <summary>What of the machine decides where binaries are found; tests hand in another.</summary>
    internal Machine Machine { get; init; } = Machine.Current;

    /// <summary>Tests hand in ports that are taken.</summary>
    internal Func<int> FreePort { get; init; } = Port.Free;
}
