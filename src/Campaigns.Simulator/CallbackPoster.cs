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

/// <summary>How a template message or a subscribe message ended.</summary>
internal sealed record TemplateFinished(
    string OpenId,
    string Template,
    string MessageId,
    bool Success,
    DateTimeOffset At
);

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

    /// <summary>How subscribe messages ended: an event each. False where one was not taken.</summary>
    internal async Task<bool> PostSubscribedAsync(IReadOnlyList<TemplateFinished> ended)
    {
        var taken = true;
        foreach (var one in ended)
        {
            taken &= await PostEventAsync(
                one.OpenId,
                one.At,
                "subscribe_msg_sent_event",
                $"""
                <SubscribeMsgSentEvent>
                <List>
                <TemplateId><![CDATA[{one.Template}]]></TemplateId>
                <MsgID>{one.MessageId}</MsgID>
                <ErrorCode>{(one.Success ? 0 : 43101)}</ErrorCode>
                <ErrorStatus><![CDATA[{(one.Success ? "success" : "user refuse to accept the msg")}]]></ErrorStatus>
                </List>
                </SubscribeMsgSentEvent>
                """
            );
        }

        return taken;
    }

    /// <summary>A user agreed to one message by a template.</summary>
    internal Task<bool> PostAuthorisedAsync(string openId, string template) =>
        PostEventAsync(
            openId,
            clock.Now,
            "subscribe_msg_popup_event",
            $"""
            <SubscribeMsgPopupEvent>
            <List>
            <TemplateId><![CDATA[{template}]]></TemplateId>
            <SubscribeStatusString><![CDATA[accept]]></SubscribeStatusString>
            <PopupScene>0</PopupScene>
            </List>
            </SubscribeMsgPopupEvent>
            """
        );

    private Task<bool> PostEventAsync(string from, DateTimeOffset at, string name, string members)
    {
        var xml = $"""
            <xml>
            <ToUserName><![CDATA[{SimulatorOptions.WeChatAccount}]]></ToUserName>
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
