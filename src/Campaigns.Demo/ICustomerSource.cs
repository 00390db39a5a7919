namespace Campaigns.Demo;

/// <summary>Where the customers come from. They are numbered from 1, in the order of the file.</summary>
internal interface ICustomerSource
{
    int Count { get; }

    IEnumerable<BankField> Fields { get; }

    /// <summary>Which column of the file becomes what, as the import takes it.</summary>
    object Mapping { get; }

    /// <summary>Segments in the order in which they may name each other; the campaign's own is among them.</summary>
    IEnumerable<(string Id, object Body)> Segments { get; }

    /// <summary>Writes the file, CSV in UTF-8 with a header.</summary>
    /// <param name="to">Left open.</param>
    /// <param name="wrote">Told how many customers are written.</param>
    Task WriteAsync(Stream to, Action<int> wrote, CancellationToken cancellationToken);

    string Id(int n);

    /// <summary>Who is reached at an address of the provider's ledger; null for nobody of this source.</summary>
    int? Owner(string channel, string address);
}

/// <summary>A field of the catalogue.</summary>
internal sealed record BankField(string Name, string Type)
{
    public string? Description { get; init; }
    public string[] Options { get; init; } = [];
    public bool Sensitive { get; init; }
    public bool Profiling { get; init; }

    public object Body =>
        new
        {
            type = Type,
            options = Options,
            sensitive = Sensitive,
            profiling = Profiling,
            description = Description,
        };
}

/// <summary>Addresses that nobody has; from one it can be told whose it is.</summary>
internal static class SyntheticAddress
{
    public static string Phone(long n) => FormattableString.Invariant($"13{n:D9}");

    public static string OpenId(long n) => FormattableString.Invariant($"oDemo{n:D12}");

    public static string PushId(long n) => FormattableString.Invariant($"push{n:D12}");

    public static int? Owner(string channel, string address)
    {
        var digits = channel == "sms" ? 9 : 12;
        return
            address.Length >= digits
            && int.TryParse(
                address.AsSpan(address.Length - digits),
                System.Globalization.NumberStyles.None,
                System.Globalization.CultureInfo.InvariantCulture,
                out var n
            )
            ? n
            : null;
    }
}
