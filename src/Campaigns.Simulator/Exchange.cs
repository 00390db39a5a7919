namespace Campaigns.Simulator;

/// <summary>A request that its provider has found well-formed and allowed.</summary>
/// <param name="Key">What the caller names it by.</param>
/// <param name="Content">What the item of that index says.</param>
internal sealed record Incoming(string Channel, string? Key, IReadOnlyList<string> Addresses, Func<int, string> Content)
{
    /// <summary>What the caller names each item by, where the provider knows items rather than requests again.</summary>
    internal IReadOnlyList<string>? ItemKeys { get; init; }

    /// <summary>The provider's template, where it names one.</summary>
    internal string? Template { get; init; }

    /// <summary>Real time, before anything was read of it.</summary>
    internal DateTimeOffset Received { get; init; }

    /// <summary>What it is to be known by.</summary>
    internal IEnumerable<string> Keys => ItemKeys ?? (Key is null ? [] : [Key]);
}

/// <summary>When a request came in: how long it takes to read and to decide must not move it in the ledger.</summary>
internal static class Arrival
{
    private static readonly object Key = new();

    internal static Task NoteAsync(HttpContext context, RequestDelegate next)
    {
        context.Items[Key] = DateTimeOffset.UtcNow;
        return next(context);
    }

    internal static DateTimeOffset Of(HttpContext context) => (DateTimeOffset)context.Items[Key]!;
}

/// <summary>An answer on the wire.</summary>
internal sealed record Reply(int Status, object Body)
{
    internal IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();
}

/// <summary>How one provider puts what the exchange decides.</summary>
internal interface IDialect
{
    /// <summary>Whether the provider knows a request key again, for a day.</summary>
    bool Dedupes { get; }

    Reply Accept(string providerId, bool repeated);

    Reply Refuse(string? code);

    Reply TooFast();

    /// <summary>With what code it refuses what it would otherwise accept now; null to accept it. Asked once a request.</summary>
    string? RefusalOf(Incoming incoming) => null;
}

/// <summary>What happens to every request, whatever its wire: the script decides, the ledger is written, the answer goes
/// out, well or badly.</summary>
internal sealed class Exchange
{
    private static readonly TimeSpan Remembered = TimeSpan.FromDays(1);

    private readonly ScriptBox _script;
    private readonly Ledger _ledger;
    private readonly SimulatorClock _clock;
    private readonly PushTargets _targets;
    private readonly RateLimits _rates;
    private readonly ReceiptRunner _receipts;
    private readonly CancellationToken _stopping;
    private readonly Lock _lock = new();
    private readonly Dictionary<(string, string), Known> _known = [];
    private readonly Queue<((string, string) Key, DateTimeOffset At)> _age = new();
    private readonly MonthlyQuota _monthly = new();
    private long _lastId;

    public Exchange(
        ScriptBox script,
        Ledger ledger,
        SimulatorClock clock,
        PushTargets targets,
        RateLimits rates,
        ReceiptRunner receipts,
        IHostApplicationLifetime lifetime
    )
    {
        (_script, _ledger, _clock) = (script, ledger, clock);
        (_targets, _rates, _receipts) = (targets, rates, receipts);
        _stopping = lifetime.ApplicationStopping;
        Recover();
    }

    internal async Task RunAsync(HttpContext context, Incoming parsed, IDialect dialect)
    {
        var incoming = parsed with { Received = Arrival.Of(context) };
        var rule = _script.Decide(incoming.Channel, incoming.Key, incoming.Addresses);
        var (reply, act) = await DecideAsync(incoming, dialect, rule);
        var latency = rule.LatencyMs + _script.Script.LatencyMs.GetValueOrDefault(incoming.Channel);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stopping);
        try
        {
            if (latency > 0)
            {
                await Task.Delay(latency, over.Token);
            }

            await Misbehaviour.AnswerAsync(context, reply, act, rule, over.Token);
        }
        catch (Exception gone) when (gone is OperationCanceledException or IOException)
        {
            context.Abort(); // the caller has hung up, which is what many of these provoke
        }
    }

    private async Task<(Reply, Act)> DecideAsync(Incoming incoming, IDialect dialect, Rule rule)
    {
        if (!_rates.Allows(incoming.Channel, _script.Script))
        {
            Enter(incoming, Outcome.Throttled, null);
            return (dialect.TooFast(), Act.Accept);
        }

        // What a provider has accepted once it does not refuse under the same key.
        var known = dialect.Dedupes && IsKnown(incoming);
        switch (rule.Do)
        {
            case Act.Reject when !known:
                Enter(incoming, Outcome.Rejected, rule.Code);
                return (dialect.Refuse(rule.Code), Act.Accept);
            case Act.Throttle:
                Enter(incoming, Outcome.Throttled, null);
                return (dialect.TooFast(), Act.Throttle);
            case Act.Accept or Act.Reject or Act.Partial:
                return (await AcceptAsync(incoming, dialect, rule), Act.Accept);
            case var act when rule.AcceptsFirst:
                return (await AcceptAsync(incoming, dialect, rule), act);
            case Act.ServerError:
                Enter(incoming, Outcome.Failed, null);
                return (new Reply(200, new { }), Act.ServerError);
            default:
                Enter(incoming, Outcome.Lost, null);
                return (new Reply(200, new { }), rule.Do);
        }
    }

    private async Task<Reply> AcceptAsync(Incoming incoming, IDialect dialect, Rule rule)
    {
        if (dialect.RefusalOf(incoming) is { } refusal)
        {
            Enter(incoming, Outcome.Rejected, refusal);
            return dialect.Refuse(refusal);
        }

        if (!dialect.Dedupes || incoming.Key is null)
        {
            var id = NextId(incoming.Channel);
            var items = Items(incoming, id, rule);
            var early = _script.Script.ReceiptsOf(incoming.Channel).BeforeAnswer && incoming.Channel == Channels.Sms;
            _ledger.Append(
                _clock.Now,
                incoming.Received,
                incoming.Channel,
                incoming.Key,
                id,
                null,
                items,
                posted: early
            );
            if (early)
            {
                await _receipts.PostEarlyAsync([
                    .. items.Where(item => item.Fate != Fate.None).Select(item => Report(incoming, id, item)),
                ]);
            }

            return dialect.Accept(id, repeated: false);
        }

        return incoming.ItemKeys is null
            ? AcceptOnce(incoming, dialect, rule)
            : AcceptEachOnce(incoming, incoming.ItemKeys, dialect, rule);
    }

    private Reply AcceptOnce(Incoming incoming, IDialect dialect, Rule rule)
    {
        var members = Members(incoming.Addresses);
        var at = _clock.Now;
        lock (_lock)
        {
            Forget();
            if (_known.TryGetValue((incoming.Channel, incoming.Key!), out var first))
            {
                var outcome = first.Members == members ? Outcome.Duplicate : Outcome.DuplicateOfOthers;
                Enter(incoming, outcome, null, first.ProviderId);
                return dialect.Accept(first.ProviderId, repeated: true);
            }

            var id = NextId(incoming.Channel);
            var items = Items(incoming, id, rule);
            _ledger.Append(at, incoming.Received, incoming.Channel, incoming.Key, id, null, items);
            Remember(incoming.Channel, incoming.Key!, id, members, DateTimeOffset.UtcNow);
            if (incoming.Channel == Channels.App)
            {
                _targets.Add(id, at, items.Select(item => (item.Address, item.Fate)));
            }

            return dialect.Accept(id, repeated: false);
        }
    }

    /// <summary>Those that are known are answered as the first time, and nothing is sent to them again.</summary>
    private Reply AcceptEachOnce(Incoming incoming, IReadOnlyList<string> keys, IDialect dialect, Rule rule)
    {
        lock (_lock)
        {
            Forget();
            var id = NextId(incoming.Channel);
            var known = keys.Select(key => _known.GetValueOrDefault((incoming.Channel, key))).ToList();
            var items = Items(incoming, id, rule);
            for (var index = 0; index < items.Count; index++)
            {
                var members = Members([incoming.Addresses[index]]);
                var item = items[index] with { Key = keys[index] };
                if (known[index].ProviderId is null)
                {
                    Remember(incoming.Channel, keys[index], id, members, DateTimeOffset.UtcNow);
                }
                else
                {
                    var outcome = known[index].Members == members ? Outcome.Duplicate : Outcome.DuplicateOfOthers;
                    item = item with { Outcome = outcome, Fate = Fate.None };
                }

                items[index] = item;
            }

            // As the first time, where all of it is a repetition.
            var answered = known.TrueForAll(one => one.ProviderId is not null) ? known[0].ProviderId : id;
            _ledger.Append(_clock.Now, incoming.Received, incoming.Channel, incoming.Key, answered, null, items);
            return dialect.Accept(answered, repeated: answered != id);
        }
    }

    private List<LedgerItem> Items(Incoming incoming, string id, Rule rule)
    {
        var items = new List<LedgerItem>(incoming.Addresses.Count);
        var monthly = incoming.Channel == Channels.WeChat && _script.Script.WeChatMonthlyFour;
        for (var index = 0; index < incoming.Addresses.Count; index++)
        {
            var address = incoming.Addresses[index];
            var fate =
                rule.Do != Act.Partial ? _script.FateOf(incoming.Channel, address, id)
                : index < rule.Failed ? Fate.Failed
                : index < rule.Failed + rule.Absent ? Fate.None
                : Fate.Delivered;
            var filtered = monthly && !_monthly.Takes(address, _clock.Now);
            var outcome = filtered ? Outcome.Filtered : Outcome.Accepted;
            items.Add(new LedgerItem(address, incoming.Content(index), outcome, filtered ? Fate.None : fate));
        }

        return items;
    }

    private void Enter(Incoming incoming, Outcome outcome, string? code, string? providerId = null) =>
        _ledger.Append(
            _clock.Now,
            incoming.Received,
            incoming.Channel,
            incoming.Key,
            providerId,
            code,
            incoming.Addresses.Select(
                (address, index) => new LedgerItem(address, incoming.Content(index), outcome, Fate.None)
            )
        );

    private SmsReport Report(Incoming incoming, string id, LedgerItem item)
    {
        var now = _clock.Now;
        return new SmsReport(item.Address, now, now, item.Fate == Fate.Delivered, id, incoming.Key);
    }

    private bool IsKnown(Incoming incoming)
    {
        lock (_lock)
        {
            return incoming.Keys.Any() && incoming.Keys.All(key => _known.ContainsKey((incoming.Channel, key)));
        }
    }

    private void Remember(string channel, string key, string providerId, ulong members, DateTimeOffset at)
    {
        _known[(channel, key)] = new Known(providerId, members);
        _age.Enqueue(((channel, key), at));
    }

    private void Forget()
    {
        while (_age.TryPeek(out var oldest) && oldest.At + Remembered < DateTimeOffset.UtcNow)
        {
            _known.Remove(_age.Dequeue().Key);
        }
    }

    /// <summary>Different after a restart too.</summary>
    private string NextId(string channel)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1000;
        long id;
        lock (_rates)
        {
            id = _lastId = Math.Max(_lastId + 1, now);
        }

        return channel == Channels.Sms ? $"{id}^0" : $"{id}";
    }

    private static ulong Members(IEnumerable<string> addresses) =>
        addresses.Aggregate(0UL, (hash, address) => StableHash.Of(address, hash));

    /// <summary>Reads the ledger that an earlier process left, so that a key stays known over a restart.</summary>
    private void Recover()
    {
        var request = new List<LedgerEntry>();
        var lines = _ledger.Lines(0, int.MaxValue).Where(line => !Ledger.IsOf(line, Channels.Sms));
        foreach (var entry in lines.Select(Ledger.Entry))
        {
            if (entry.Outcome is not (Outcome.Accepted or Outcome.Filtered))
            {
                continue;
            }

            if (entry.ItemKey is { } key)
            {
                Remember(entry.Channel, key, entry.ProviderId!, Members([entry.Address]), entry.Real);
                continue;
            }

            if (request.Count > 0 && request[0].ProviderId != entry.ProviderId)
            {
                Recover(request);
                request.Clear();
            }

            request.Add(entry);
        }

        Recover(request);
    }

    private void Recover(List<LedgerEntry> request)
    {
        if (request is not [{ RequestKey: { } key, ProviderId: { } id } first, ..])
        {
            return;
        }

        Remember(first.Channel, key, id, Members(request.Select(entry => entry.Address)), first.Real);
        if (first.Channel == Channels.App)
        {
            _targets.Add(id, first.At, request.Select(entry => (entry.Address, entry.Fate)));
        }
    }

    private readonly record struct Known(string ProviderId, ulong Members);
}

/// <summary>Channels as scripts and the ledger name them.</summary>
internal static class Channels
{
    internal const string Sms = "sms";
    internal const string BankSms = "bank-sms";
    internal const string WeChat = "wechat";
    internal const string WeChatTemplate = "wechat-template";
    internal const string WeChatSubscribe = "wechat-subscribe";
    internal const string App = "app";
}

/// <summary>A fast hash that is the same in every process: FNV-1a, mixed at the end.</summary>
internal static class StableHash
{
    internal static ulong Of(string? text, ulong seed = 0)
    {
        var hash = 14695981039346656037UL ^ seed;
        foreach (var letter in text ?? "\0")
        {
            hash = (hash ^ letter) * 1099511628211UL;
        }

        hash ^= hash >> 33;
        hash *= 0xFF51AFD7ED558CCDUL;
        hash ^= hash >> 33;
        hash *= 0xC4CEB9FE1A85EC53UL;
        return hash ^ (hash >> 33);
    }
}

/// <summary>Who was pushed what, for those who ask; nine bytes a target.</summary>
internal sealed class PushTargets
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Sent> _sent = [];

    /// <summary>All sent up to then are settled, whatever their delay.</summary>
    internal DateTimeOffset FlushedThrough { get; set; } = DateTimeOffset.MinValue;

    internal void Add(string id, DateTimeOffset at, IEnumerable<(string Address, Fate Fate)> targets)
    {
        var sorted = targets
            .Select(target => (Hash: StableHash.Of(target.Address), target.Fate))
            .OrderBy(target => target.Hash);
        var (hashes, fates) = (new List<ulong>(), new List<Fate>());
        foreach (var (hash, fate) in sorted)
        {
            hashes.Add(hash);
            fates.Add(fate);
        }

        lock (_lock)
        {
            _sent[id] = new Sent(at, [.. hashes], [.. fates.Select(fate => (byte)fate)]);
        }
    }

    /// <summary>When a message was sent; null for one we never had.</summary>
    internal DateTimeOffset? SentAt(string id)
    {
        lock (_lock)
        {
            return _sent.TryGetValue(id, out var sent) ? sent.At : null;
        }
    }

    /// <summary>What became of one target; null when it is none.</summary>
    internal Fate? FateOf(string id, string address)
    {
        Sent sent;
        lock (_lock)
        {
            if (!_sent.TryGetValue(id, out sent))
            {
                return null;
            }
        }

        var index = Array.BinarySearch(sent.Hashes, StableHash.Of(address));
        return index < 0 ? null : (Fate)sent.Fates[index];
    }

    /// <summary>How many there are of each fate.</summary>
    internal (int Targets, int Delivered) Totals(string id)
    {
        lock (_lock)
        {
            return _sent.TryGetValue(id, out var sent)
                ? (sent.Fates.Length, sent.Fates.Count(fate => fate == (byte)Fate.Delivered))
                : (0, 0);
        }
    }

    private readonly record struct Sent(DateTimeOffset At, ulong[] Hashes, byte[] Fates);
}

/// <summary>Requests of the last second, by channel.</summary>
internal sealed class RateLimits
{
    private readonly Dictionary<string, Queue<long>> _recent = [];
    private readonly Lock _lock = new();

    internal bool Allows(string channel, Script script)
    {
        if (!script.RatePerSecond.TryGetValue(channel, out var most))
        {
            return true;
        }

        lock (_lock)
        {
            if (!_recent.TryGetValue(channel, out var recent))
            {
                _recent[channel] = recent = new Queue<long>();
            }

            var now = Environment.TickCount64;
            while (recent.TryPeek(out var oldest) && now - oldest >= 1000)
            {
                recent.Dequeue();
            }

            if (recent.Count >= most)
            {
                return false;
            }

            recent.Enqueue(now);
            return true;
        }
    }
}

/// <summary>Mass sends that a follower has had this month, at most four.</summary>
internal sealed class MonthlyQuota
{
    private const int Most = 4;
    private readonly Dictionary<ulong, byte> _had = [];
    private int _month;

    internal bool Takes(string openid, DateTimeOffset at)
    {
        var local = at.ToOffset(TimeSpan.FromHours(8));
        lock (_had)
        {
            if (_month != (local.Year * 12) + local.Month)
            {
                _had.Clear();
                _month = (local.Year * 12) + local.Month;
            }

            var key = StableHash.Of(openid);
            var had = _had.GetValueOrDefault(key);
            if (had >= Most)
            {
                return false;
            }

            _had[key] = (byte)(had + 1);
            return true;
        }
    }
}
