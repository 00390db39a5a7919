namespace Campaigns.Simulator;

/// <summary>What the provider does with a request. Those from <see cref="Slow"/> on accept it first; the others do if
/// <see cref="Rule.Accepted"/> says so.</summary>
public enum Act
{
    /// <summary>As a provider would.</summary>
    Accept,

    /// <summary>Refuses with <see cref="Rule.Code"/>.</summary>
    Reject,

    /// <summary>Answers 429 with <see cref="Rule.RetryAfter"/>.</summary>
    Throttle,

    /// <summary>Answers <see cref="Rule.Status"/> with a page of HTML.</summary>
    ServerError,

    /// <summary>Never answers.</summary>
    Hang,

    /// <summary>Closes the connection without an answer.</summary>
    Drop,

    /// <summary>Accepts, then never answers.</summary>
    AcceptThenHang,

    /// <summary>Accepts, then closes the connection.</summary>
    AcceptThenDrop,

    /// <summary>One byte of the answer a second.</summary>
    Slow,

    /// <summary>Of the items, <see cref="Rule.Failed"/> end as failed and <see cref="Rule.Absent"/> are never heard of.
    /// </summary>
    Partial,

    /// <summary>A gigabyte of JSON.</summary>
    Huge,

    /// <summary>A page of HTML with status 200.</summary>
    Html,

    /// <summary>A gigabyte of zeros in a megabyte of gzip.</summary>
    GzipBomb,

    /// <summary>JSON of another shape.</summary>
    WrongJson,
}

/// <summary>When, and what then. Of several rules the first that fits holds.</summary>
public sealed record Rule
{
    public Act Do { get; init; }

    /// <summary><c>sms</c>, <c>bank-sms</c>, <c>wechat</c>,
    /// <c>wechat-template</c>, <c>wechat-subscribe</c> or <c>app</c>; null for all.</summary>
    public string? Channel { get; init; }

    /// <summary>Share of requests, chosen by a hash of their key: the same ones each time.</summary>
    public double Share { get; init; } = 1;

    /// <summary>Only requests that hold one of these addresses.</summary>
    public IReadOnlyList<string>? Addresses { get; init; }

    /// <summary>Only requests with this key.</summary>
    public string? RequestKey { get; init; }

    /// <summary>First of the channel's requests that it holds for, counted from 1 since the script was put.</summary>
    public long From { get; init; } = 1;

    /// <summary>Last of them; null for no end.</summary>
    public long? To { get; init; }

    /// <summary>Most times that it holds; null for no bound.</summary>
    public long? Times { get; init; }

    /// <summary>Whether the request is accepted before the misbehaviour; null for what <see cref="Act"/> says.</summary>
    public bool? Accepted { get; init; }
    public string? Code { get; init; }

    /// <summary>Seconds, <c>date:SECONDS</c> for a date so far ahead, or anything else as it is.</summary>
    public string? RetryAfter { get; init; }
    public int Status { get; init; } = 503;
    public int Failed { get; init; }
    public int Absent { get; init; }
    public int LatencyMs { get; init; }

    internal bool AcceptsFirst => Accepted ?? Do is Act.AcceptThenHang or Act.AcceptThenDrop or >= Act.Slow;
}

/// <summary>How receipts of one channel come.</summary>
public sealed record ReceiptScript
{
    /// <summary>Share of accepted messages that fail, by a hash of the address and the provider's id.</summary>
    public double FailedShare { get; init; }

    /// <summary>Share that is never heard of.</summary>
    public double AbsentShare { get; init; }

    /// <summary>Addresses that always fail.</summary>
    public IReadOnlyList<string> FailedAddresses { get; init; } = [];

    /// <summary>Business seconds from acceptance to receipt.</summary>
    public double DelaySeconds { get; init; } = 2;

    /// <summary>How often each is posted.</summary>
    public int Repeat { get; init; } = 1;

    /// <summary>How many of messages that were never sent are in each post.</summary>
    public int Unknown { get; init; }

    /// <summary>Whether those of one post are out of order.</summary>
    public bool Shuffle { get; init; }

    /// <summary>Whether it is posted before the request is answered.</summary>
    public bool BeforeAnswer { get; init; }

    /// <summary>Whether none is posted until they are flushed.</summary>
    public bool Hold { get; init; }

    /// <summary>Most in one post.</summary>
    public int Batch { get; init; } = 500;

    /// <summary>Real seconds to wait before each further try of a post that was not taken.</summary>
    public IReadOnlyList<double> RetrySeconds { get; init; } = [60, 300, 600];
}

/// <summary>How the simulator behaves; replaced as a whole.</summary>
public sealed record Script
{
    /// <summary>Another seed chooses other shares.</summary>
    public int Seed { get; init; } = 1;
    public IReadOnlyList<Rule> Rules { get; init; } = [];

    /// <summary>Milliseconds before any answer, by channel.</summary>
    public IReadOnlyDictionary<string, int> LatencyMs { get; init; } = new Dictionary<string, int>();

    /// <summary>Requests a second beyond which the provider refuses, by channel.</summary>
    public IReadOnlyDictionary<string, int> RatePerSecond { get; init; } = new Dictionary<string, int>();

    /// <summary>By channel.</summary>
    public IReadOnlyDictionary<string, ReceiptScript> Receipts { get; init; } = new Dictionary<string, ReceiptScript>();

    /// <summary>Whether a follower's fifth mass send of a month is filtered out.</summary>
    public bool WeChatMonthlyFour { get; init; }

    internal static readonly ReceiptScript DefaultReceipts = new();

    internal ReceiptScript ReceiptsOf(string channel) => Receipts.GetValueOrDefault(channel) ?? DefaultReceipts;

    /// <summary>In [0, 1), the same for the same parts.</summary>
    internal double Draw(params ReadOnlySpan<string?> parts)
    {
        var hash = (ulong)Seed;
        foreach (var part in parts)
        {
            hash = StableHash.Of(part, hash);
        }

        return (hash >> 11) * (1.0 / (1UL << 53));
    }
}

/// <summary>The script in force, with what it has counted.</summary>
internal sealed class ScriptBox
{
    private static readonly Rule Behave = new();
    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _requests = [];
    private Dictionary<string, HashSet<string>> _failedAddresses = [];
    private HashSet<string>?[] _addresses = [];
    private long[] _hits = [];

    internal Script Script { get; private set; } = new();

    internal void Put(Script script)
    {
        lock (_lock)
        {
            Script = script;
            _requests.Clear();
            _hits = new long[script.Rules.Count];
            _addresses = [.. script.Rules.Select(rule => rule.Addresses?.ToHashSet())];
            _failedAddresses = script.Receipts.ToDictionary(
                receipts => receipts.Key,
                receipts => receipts.Value.FailedAddresses.ToHashSet()
            );
        }
    }

    /// <summary>The rule for a request.</summary>
    internal Rule Decide(string channel, string? key, IReadOnlyList<string> addresses)
    {
        lock (_lock)
        {
            var number = _requests[channel] = _requests.GetValueOrDefault(channel) + 1;
            for (var index = 0; index < Script.Rules.Count; index++)
            {
                if (Fits(index, channel, key, addresses, number))
                {
                    _hits[index]++;
                    return Script.Rules[index];
                }
            }

            return Behave;
        }
    }

    /// <summary>What is to become of an accepted item.</summary>
    internal Fate FateOf(string channel, string address, string providerId)
    {
        var receipts = Script.ReceiptsOf(channel);
        if (_failedAddresses.GetValueOrDefault(channel)?.Contains(address) == true)
        {
            return Fate.Failed;
        }

        if (receipts.FailedShare <= 0 && receipts.AbsentShare <= 0)
        {
            return Fate.Delivered;
        }

        var draw = Script.Draw("receipt", channel, address, providerId);
        return draw < receipts.FailedShare ? Fate.Failed
            : draw < receipts.FailedShare + receipts.AbsentShare ? Fate.None
            : Fate.Delivered;
    }

    private bool Fits(int index, string channel, string? key, IReadOnlyList<string> addresses, long number)
    {
        var rule = Script.Rules[index];
        return (rule.Channel is null || rule.Channel == channel)
            && number >= rule.From
            && (rule.To is null || number <= rule.To)
            && (rule.Times is null || _hits[index] < rule.Times)
            && (rule.RequestKey is null || rule.RequestKey == key)
            && (_addresses[index] is not { } wanted || addresses.Any(wanted.Contains))
            && (rule.Share >= 1 || Script.Draw("rule", $"{index}", channel, key) < rule.Share);
    }
}
