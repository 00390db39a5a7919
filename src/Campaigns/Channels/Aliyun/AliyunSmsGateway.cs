using System.Globalization;
using System.Net;
using System.Text.Json;

namespace Campaigns.Channels.Aliyun;

/// <summary>Aliyun's short messages: SendBatchSms of Dysms 2017-05-25. There is no idempotency key, and the vendor says so:
/// an unanswered call is never repeated.</summary>
internal sealed class AliyunSmsGateway(GatewaySettings settings, ProviderHttp http, TimeProvider time) : IGateway
{
    internal const string Name = "aliyun-sms";
    private const int ProviderBatch = 100;

    public GatewayDeclaration Declaration { get; } =
        new()
        {
            Name = Name,
            Channel = Channel.Sms,
            Purposes = new HashSet<Purpose> { Purpose.Marketing, Purpose.Servicing },
            Variables = true,
            NeedsProviderTemplate = true,
            Sender = AddedBy.Gateway,
            Refusal = AddedBy.Gateway,
            MaxBatch = Math.Min(settings.MaxBatch ?? ProviderBatch, ProviderBatch),
            Dedupe = Dedupe.None,
        };

    public async Task<SendResult> SendAsync(SendRequest request, CancellationToken cancellationToken)
    {
        if (request.Content.ProviderTemplate is null)
        {
            return ProviderWords.All(request, SendState.Rejected, ProviderWords.TemplateError);
        }

        // One bad number has the provider refuse the whole call, so those are left out before.
        var phones = request.Items.Select(item => AliyunPhone.ToProvider(item.Address)).ToArray();
        if (Array.TrueForAll(phones, phone => phone is null))
        {
            return ProviderWords.All(request, SendState.Rejected, AliyunCodes.NumberIllegal);
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(settings.Timeout);
        using var message = Message(request, phones);
        var answer = await http.SendAsync(message, deadline.Token);
        return WithLeftOut(Understand(request, answer, phones.Count(phone => phone is not null)), phones);
    }

    /// <summary>Parameters go in the form rather than in the query, which the signature treats alike: a query ends up in
    /// the access log of every proxy, and a hundred items make one longer than proxies take.</summary>
    private HttpRequestMessage Message(SendRequest request, string?[] phones)
    {
        var sign = request.Content.Sender ?? settings.SignName;
        var going = request.Items.Where((_, index) => phones[index] is not null).ToArray();
        var parameters = new Dictionary<string, string>
        {
            ["Action"] = "SendBatchSms",
            ["Version"] = "2017-05-25",
            ["Format"] = "JSON",
            ["AccessKeyId"] = settings.KeyId,
            ["SignatureMethod"] = "HMAC-SHA1",
            ["SignatureVersion"] = "1.0",
            ["SignatureNonce"] = Guid.NewGuid().ToString("N"),
            ["Timestamp"] = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
            ["PhoneNumberJson"] = Json(phones.Where(phone => phone is not null)),
            ["SignNameJson"] = Json(going.Select(_ => sign)),
            ["TemplateCode"] = request.Content.ProviderTemplate!,
            ["TemplateParamJson"] = Json(going.Select(item => item.Variables)),
            ["OutId"] = request.Key,
        };
        parameters["Signature"] = AliyunSignature.Of("POST", parameters, settings.Secret);
        return new HttpRequestMessage(HttpMethod.Post, settings.BaseUrl)
        {
            Content = new FormUrlEncodedContent(parameters),
        };
    }

    private static string Json(object value) => JsonSerializer.Serialize(value, ProviderWords.Json);

    private static SendResult Understand(SendRequest request, ProviderAnswer answer, int going)
    {
        switch (answer)
        {
            case ProviderAnswer.NotSent notSent:
                _ = notSent;
                return ProviderWords.All(request, SendState.Retryable, "unreachable");
            case ProviderAnswer.Silent silent:
                return new SendResult.Unanswered(silent.Reason);
        }

        var reply = (ProviderAnswer.Reply)answer;
        if (reply.Status == HttpStatusCode.TooManyRequests)
        {
            return new SendResult.Throttled(reply.RetryAfter);
        }

        return reply.Json() is { } json && json.Text("Code") is { } code
            ? AliyunCodes.Understand(
                request,
                ProviderWords.Code(code),
                ProviderWords.Id(json.Text("BizId")),
                reply,
                going
            )
            : Unreadable(request, reply.Status);
    }

    /// <summary>500 and 503 come from a provider that did not take the call; 502 and 504 from something in front of one that
    /// may have.</summary>
    private static SendResult Unreadable(SendRequest request, HttpStatusCode status) =>
        status is HttpStatusCode.InternalServerError or HttpStatusCode.ServiceUnavailable
            ? ProviderWords.All(request, SendState.Retryable, $"http_{(int)status}")
            : new SendResult.Unanswered($"the answer, with status {(int)status}, is not the provider's");

    private static SendResult WithLeftOut(SendResult result, string?[] phones) =>
        result is SendResult.Answered answered && Array.Exists(phones, phone => phone is null)
            ? new SendResult.Answered([
                .. answered.Items.Select(
                    (item, index) =>
                        phones[index] is null
                            ? new ItemResult(SendState.Rejected, AliyunCodes.NumberIllegal, null)
                            : item
                ),
            ])
            : result;
}
