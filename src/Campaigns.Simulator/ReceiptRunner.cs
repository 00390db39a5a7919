namespace Campaigns.Simulator;

/// <summary>Reads the ledger behind those who write it and posts a receipt for what was accepted, when it is due. Only the
/// posts that were not taken are held in memory, and at most 200 of them: then it waits.</summary>
internal sealed class ReceiptRunner(
    Ledger ledger,
    ScriptBox script,
    SimulatorClock clock,
    PushTargets targets,
    CallbackPoster poster
) : BackgroundService
{
    private const int Page = 2_000;
    private const int MostRetries = 200;

    private readonly SemaphoreSlim _pass = new(1);
    private readonly List<Retry> _retries = [];
    private readonly MassSend _mass = new();
    private long _smsRead;
    private long _bankRead;
    private long _weChatRead;
    private long _templatesRead;
    private long _subscribedRead;
    private long _posted;
    private long _givenUp;

    /// <summary>Posts taken, posts given up, posts to try again, and lines not yet looked at.</summary>
    internal (long Posted, long GivenUp, int Retrying, long Pending) Counts =>
        (
            _posted,
            _givenUp,
            _retries.Count,
            ledger.Count - new[] { _smsRead, _bankRead, _weChatRead, _templatesRead, _subscribedRead }.Min()
        );

    /// <summary>Posts all that is pending, due or not, held or not.</summary>
    internal Task FlushAsync()
    {
        targets.FlushedThrough = clock.Now;
        return PassAsync(flush: true);
    }

    /// <summary>Posts reports before their request is answered; tries again later where they are not taken.</summary>
    internal Task PostEarlyAsync(IReadOnlyList<SmsReport> reports) =>
        PostAsync(() => poster.PostReportsAsync(reports), Channels.Sms);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (poster.Enabled && await timer.WaitForNextTickAsync(stoppingToken))
        {
            await PassAsync(flush: false);
        }
    }

    public override void Dispose()
    {
        _pass.Dispose();
        base.Dispose();
    }

    private async Task PassAsync(bool flush)
    {
        if (!poster.Enabled)
        {
            return;
        }

        await _pass.WaitAsync();
        try
        {
            await RetryAsync(flush);
            _smsRead = await ReadAsync(Channels.Sms, _smsRead, flush, SmsAsync);
            _bankRead = await ReadAsync(Channels.BankSms, _bankRead, flush, BankAsync);
            _weChatRead = await ReadAsync(Channels.WeChat, _weChatRead, flush, WeChatAsync);
            _templatesRead = await ReadAsync(
                Channels.WeChatTemplate,
                _templatesRead,
                flush,
                entries => TemplatesAsync(Channels.WeChatTemplate, entries, poster.PostTemplatesAsync)
            );
            _subscribedRead = await ReadAsync(
                Channels.WeChatSubscribe,
                _subscribedRead,
                flush,
                entries => TemplatesAsync(Channels.WeChatSubscribe, entries, poster.PostSubscribedAsync)
            );
        }
        finally
        {
            _pass.Release();
        }
    }

    private async Task<long> ReadAsync(string channel, long read, bool flush, Func<List<LedgerEntry>, Task> take)
    {
        var end = ledger.Count;
        while (read < end && (_retries.Count < MostRetries || _mass.Id is not null))
        {
            var (due, next) = Due(channel, read, (int)Math.Min(Page, end - read), flush);
            await take(due);
            if (next == read)
            {
                break;
            }

            read = next;
        }

        if (channel == Channels.WeChat)
        {
            await EndMassAsync();
        }

        return read;
    }

    /// <summary>What is due of a page, and the last line before what is not; no more is read than that.</summary>
    private (List<LedgerEntry> Due, long Read) Due(string channel, long read, int limit, bool flush)
    {
        var due = new List<LedgerEntry>();
        foreach (var line in ledger.Lines(read, limit))
        {
            if (Ledger.IsOf(line, channel))
            {
                var entry = Ledger.Entry(line);
                if (!flush && !IsDue(entry))
                {
                    break;
                }

                if (Receives(entry))
                {
                    due.Add(entry);
                }
            }

            read++;
        }

        return (due, read);
    }

    private static bool Receives(LedgerEntry entry) =>
        entry.Outcome is Outcome.Accepted or Outcome.Filtered && !entry.Posted;

    private bool IsDue(LedgerEntry entry)
    {
        var receipts = script.Script.ReceiptsOf(entry.Channel);
        return !receipts.Hold && entry.At.AddSeconds(receipts.DelaySeconds) <= clock.Now;
    }

    private DateTimeOffset ReportedAt(LedgerEntry entry)
    {
        var at = entry.At.AddSeconds(script.Script.ReceiptsOf(entry.Channel).DelaySeconds);
        return at < clock.Now ? at : clock.Now;
    }

    private Task SmsAsync(List<LedgerEntry> entries) =>
        PostAsync(
            Channels.Sms,
            entries,
            entry => new SmsReport(
                entry.Address,
                entry.At,
                ReportedAt(entry),
                entry.Fate == Fate.Delivered,
                entry.ProviderId!,
                entry.RequestKey
            ),
            Stranger,
            poster.PostReportsAsync
        );

    private Task BankAsync(List<LedgerEntry> entries) =>
        PostAsync(
            Channels.BankSms,
            entries,
            entry => new BankReceipt(
                entry.RequestKey!,
                entry.ItemKey!,
                entry.Fate == Fate.Delivered,
                ReportedAt(entry)
            ),
            number => new BankReceipt($"stranger-{number}", $"stranger-{number}", Success: true, clock.Now),
            poster.PostBankReceiptsAsync
        );

    private Task TemplatesAsync(
        string channel,
        List<LedgerEntry> entries,
        Func<IReadOnlyList<TemplateFinished>, Task<bool>> post
    ) =>
        PostAsync(
            channel,
            entries,
            entry => new TemplateFinished(
                entry.Address,
                entry.Content.Split('\n')[0],
                entry.ProviderId!,
                entry.Fate == Fate.Delivered,
                ReportedAt(entry)
            ),
            number => new TemplateFinished($"oStranger{number}", "stranger", $"{number}", Success: true, clock.Now),
            post
        );

    /// <summary>Posts receipts of single messages, as the script has it.</summary>
    private async Task PostAsync<T>(
        string channel,
        List<LedgerEntry> entries,
        Func<LedgerEntry, T> receipt,
        Func<int, T> stranger,
        Func<IReadOnlyList<T>, Task<bool>> post
    )
    {
        var how = script.Script.ReceiptsOf(channel);
        var receipts = entries.Where(entry => entry.Fate != Fate.None).Select(receipt).ToArray();
        if (how.Shuffle)
        {
            new Random(script.Script.Seed).Shuffle(receipts);
        }

        var strangers = Enumerable.Range(0, how.Unknown).Select(stranger).ToArray();
        var posts = Enumerable.Repeat(receipts.Chunk(Math.Max(1, how.Batch)), how.Repeat).SelectMany(some => some);
        await Parallel.ForEachAsync(
            posts,
            new ParallelOptions { MaxDegreeOfParallelism = 4 },
            async (some, _) => await PostAsync(() => post([.. some, .. strangers]), channel)
        );
    }

    private SmsReport Stranger(int number) =>
        new($"1990000{number:0000}", clock.Now, clock.Now, true, $"{number}^9", $"stranger-{number}");

    private async Task WeChatAsync(List<LedgerEntry> entries)
    {
        foreach (var entry in entries)
        {
            if (entry.ProviderId != _mass.Id)
            {
                await EndMassAsync();
                _mass.Begin(entry.ProviderId!, ReportedAt(entry));
            }

            _mass.Count(entry);
        }
    }

    private async Task EndMassAsync()
    {
        if (_mass.End() is not { } ended)
        {
            return;
        }

        for (var times = 0; times < script.Script.ReceiptsOf(Channels.WeChat).Repeat; times++)
        {
            await PostAsync(
                () => poster.PostMassSendAsync(ended.Id, ended.At, ended.Total, ended.Filtered, ended.Sent),
                Channels.WeChat
            );
        }
    }

    private async Task PostAsync(Func<Task<bool>> post, string channel)
    {
        if (await post())
        {
            Interlocked.Increment(ref _posted);
            return;
        }

        lock (_retries)
        {
            var wait = script.Script.ReceiptsOf(channel).RetrySeconds;
            if (wait.Count > 0)
            {
                _retries.Add(new Retry(post, wait, 0, DateTimeOffset.UtcNow.AddSeconds(wait[0])));
            }
            else
            {
                _givenUp++;
            }
        }
    }

    private async Task RetryAsync(bool flush)
    {
        foreach (var retry in DueRetries(flush))
        {
            var taken = await retry.Post();
            lock (_retries)
            {
                _retries.Remove(retry);
                if (taken)
                {
                    Interlocked.Increment(ref _posted);
                }
                else if (retry.Tried + 1 < retry.Wait.Count)
                {
                    var next = DateTimeOffset.UtcNow.AddSeconds(retry.Wait[retry.Tried + 1]);
                    _retries.Add(retry with { Tried = retry.Tried + 1, NextAt = next });
                }
                else
                {
                    _givenUp++;
                }
            }
        }
    }

    private List<Retry> DueRetries(bool flush)
    {
        var now = DateTimeOffset.UtcNow;
        lock (_retries)
        {
            return _retries.FindAll(retry => flush || retry.NextAt <= now);
        }
    }

    private sealed record Retry(Func<Task<bool>> Post, IReadOnlyList<double> Wait, int Tried, DateTimeOffset NextAt);
}
