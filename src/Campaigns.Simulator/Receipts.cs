using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Campaigns.Simulator.Providers;

namespace Campaigns.Simulator;

/// <summary>A delivery report about to be posted.</summary>
internal sealed record SmsReport(
    string Phone,
    DateTimeOffset SentAt,
    DateTimeOffset ReportedAt,
    bool Success,
    string BizId,
    string? OutId
);

/// <summary>A receipt of the bank's own sender.</summary>
internal sealed record BankReceipt(string Batch, string Key, bool Success, DateTimeOffset At);

/// <summary>How a template message ended.</summary>
internal sealed record TemplateFinished(string OpenId, string MessageId, bool Success, DateTimeOffset At);

/// <summary>Posts what the providers post, once; whether it was taken is for the caller to mind.</summary>
internal sealed class CallbackPoster(SimulatorOptions options, SimulatorClock clock) : IDisposable
{
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(5) };
    private long _sequence = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();

    internal bool Enabled => options.Callbacks is not null;

    internal Task<bool> PostReportsAsync(IReadOnlyList<SmsReport> reports) =>
        PostAliyunAsync(
            "reports",
            reports.Select(report => new
            {
                phone_number = report.Phone,
                send_time = China(report.SentAt),
                report_time = China(report.ReportedAt),
                success = report.Success,
                err_code = report.Success ? "DELIVERED" : "UNDELIVERED",
                err_msg = report.Success ? "用户接收成功" : "用户未收到",
                sms_size = "1",
                biz_id = report.BizId,
                out_id = report.OutId,
            })
        );

    /// <summary>What became of messages of the bank's own sender.</summary>
    internal Task<bool> PostBankReceiptsAsync(IReadOnlyList<BankReceipt> receipts) =>
        PostBankAsync(
            "receipts",
            new
            {
                receipts = receipts.Select(receipt => new
                {
                    batch = receipt.Batch,
                    key = receipt.Key,
                    status = receipt.Success ? "delivered" : "failed",
                    code = receipt.Success ? null : "UNDELIV",
                    at = receipt.At.ToString("O", CultureInfo.InvariantCulture),
                }),
            }
        );

    /// <summary>A customer's reply, as SmsUp or as the bank's own sender has it.</summary>
    internal Task<bool> PostReplyAsync(string channel, string phone, string content) =>
        channel == Channels.BankSms ? PostBankReplyAsync(phone, content) : PostSmsUpAsync(phone, content);

    private Task<bool> PostBankReplyAsync(string phone, string content) =>
        PostBankAsync(
            "replies",
            new
            {
                replies = new[]
                {
                    new
                    {
                        id = $"mo-{Interlocked.Increment(ref _sequence)}",
                        phone,
                        text = content,
                        at = clock.Now.ToString("O", CultureInfo.InvariantCulture),
                    },
                },
            }
        );

    private Task<bool> PostSmsUpAsync(string phone, string content) =>
        PostAliyunAsync(
            "replies",
            new object[]
            {
                new
                {
                    phone_number = phone,
                    content,
                    send_time = China(clock.Now),
                    dest_code = "1069",
                    sequence_id = Interlocked.Increment(ref _sequence),
                },
            }
        );

    /// <summary>How a mass send ended.</summary>
    internal Task<bool> PostMassSendAsync(string messageId, DateTimeOffset at, int total, int filtered, int sent) =>
        PostEventAsync(
            "oSimulator",
            at,
            "MASSSENDJOBFINISH",
            $"""
            <MsgID>{messageId}</MsgID>
            <Status><![CDATA[sendsuccess]]></Status>
            <TotalCount>{total}</TotalCount>
            <FilterCount>{filtered}</FilterCount>
            <SentCount>{sent}</SentCount>
            <ErrorCount>{filtered - sent}</ErrorCount>
            """
        );

    /// <summary>How template messages ended: an event each. False where one was not taken.</summary>
    internal async Task<bool> PostTemplatesAsync(IReadOnlyList<TemplateFinished> ended)
    {
        var taken = true;
        foreach (var one in ended)
        {
            taken &= await PostEventAsync(
                one.OpenId,
                one.At,
                "TEMPLATESENDJOBFINISH",
                $"""
                <MsgID>{one.MessageId}</MsgID>
                <Status><![CDATA[{(one.Success ? "success" : "failed:user block")}]]></Status>
                """
            );
        }

        return taken;
    }

    private Task<bool> PostEventAsync(string from, DateTimeOffset at, string name, string members)
    {
        var xml = $"""
            <xml>
            <ToUserName><![CDATA[gh_simulator]]></ToUserName>
            <FromUserName><![CDATA[{from}]]></FromUserName>
            <CreateTime>{at.ToUnixTimeSeconds()}</CreateTime>
            <MsgType><![CDATA[event]]></MsgType>
            <Event><![CDATA[{name}]]></Event>
            {members}
            </xml>
            """;
        var timestamp = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var nonce = RandomNumberGenerator.GetInt32(1, int.MaxValue).ToString(CultureInfo.InvariantCulture);
        var query =
            $"?signature={Sign(options.WeChatCallbackToken, timestamp, nonce)}&timestamp={timestamp}&nonce={nonce}";
        return PostAsync("/v1/callbacks/wechat" + query, new StringContent(xml, Encoding.UTF8, "text/xml"));
    }

    internal static string China(DateTimeOffset at) =>
        at.ToOffset(TimeSpan.FromHours(8)).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    public void Dispose() => _client.Dispose();

    private static string Sign(params string[] parts)
    {
        Array.Sort(parts, StringComparer.Ordinal);
#pragma warning disable CA5350 // the provider's choice
        return Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(string.Concat(parts))));
#pragma warning restore CA5350
    }

    private Task<bool> PostAliyunAsync(string what, IEnumerable<object> entries) =>
        PostAsync(
            $"/v1/callbacks/aliyun-sms/{Uri.EscapeDataString(options.CallbackSecret)}/{what}",
            new StringContent(JsonSerializer.Serialize(entries), Encoding.UTF8, "application/json")
        );

    private Task<bool> PostBankAsync(string what, object body)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(body, Wire.Json);
        var id = $"msg_{Guid.NewGuid():n}";
        var timestamp = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var content = new ByteArrayContent(bytes);
        content.Headers.ContentType = new("application/json");
        return PostAsync(
            $"/v1/callbacks/bank-sms/{what}",
            content,
            ("webhook-id", id),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", BankSmsProvider.Sign(options.BankSmsCallbackSecret, id, timestamp, bytes))
        );
    }

    private async Task<bool> PostAsync(string path, HttpContent content, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(options.Callbacks!, path))
        {
            Content = content,
        };
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using (content)
        {
            try
            {
                using var response = await _client.SendAsync(request);
                return response.IsSuccessStatusCode;
            }
            catch (Exception failure) when (failure is HttpRequestException or TaskCanceledException)
            {
                return false;
            }
        }
    }
}

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
    private long _posted;
    private long _givenUp;

    /// <summary>Posts taken, posts given up, posts to try again, and lines not yet looked at.</summary>
    internal (long Posted, long GivenUp, int Retrying, long Pending) Counts =>
        (
            _posted,
            _givenUp,
            _retries.Count,
            ledger.Count - Math.Min(Math.Min(_smsRead, _bankRead), Math.Min(_weChatRead, _templatesRead))
        );

    /// <summary>Posts all that is pending, due or not, held or not.</summary>
    internal Task FlushAsync()
    {
        targets.FlushedThrough = clock.Now;
        return PassAsync(flush: true);
    }

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
            _templatesRead = await ReadAsync(Channels.WeChatTemplate, _templatesRead, flush, TemplatesAsync);
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

    private Task TemplatesAsync(List<LedgerEntry> entries) =>
        PostAsync(
            Channels.WeChatTemplate,
            entries,
            entry => new TemplateFinished(
                entry.Address,
                entry.ProviderId!,
                entry.Fate == Fate.Delivered,
                ReportedAt(entry)
            ),
            number => new TemplateFinished($"oStranger{number}", $"{number}", Success: true, clock.Now),
            poster.PostTemplatesAsync
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
        var now = DateTimeOffset.UtcNow;
        foreach (var retry in _retries.Where(retry => flush || retry.NextAt <= now).ToList())
        {
            _retries.Remove(retry);
            if (await retry.Post())
            {
                _posted++;
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

    private sealed record Retry(Func<Task<bool>> Post, IReadOnlyList<double> Wait, int Tried, DateTimeOffset NextAt);

    /// <summary>Counts one mass send over as many pages as its lines fill.</summary>
    private sealed class MassSend
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
}
