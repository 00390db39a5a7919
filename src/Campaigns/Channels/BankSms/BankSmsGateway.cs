using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Campaigns.Channels.BankSms;

/// <summary>The bank's own SMS sender: a signed webhook that takes a batch with a key a message and answers for each. Its wire
/// is in <c>README.md</c> beside this file.</summary>
internal sealed class BankSmsGateway(GatewaySettings settings, ProviderHttp http, TimeProvider time) : IGateway
{
    internal const string Name = "bank-sms";
    internal const string KeyHeader = "webhook-key";
    private const int MostMessages = 500;
    private static readonly TimeSpan KeysKept = TimeSpan.FromHours(24);

    public GatewayDeclaration Declaration { get; } =
        new()
        {
            Name = Name,
            Channel = Channel.Sms,
            Purposes = new HashSet<Purpose> { Purpose.Marketing, Purpose.Servicing },
            Variables = true,
            Sender = AddedBy.Gateway,
            Refusal = AddedBy.Gateway,
            MaxBatch = Math.Min(settings.MaxBatch ?? MostMessages, MostMessages),
            Dedupe = Dedupe.Key,
            DedupePeriod = KeysKept,
            KnowsTouches = true,
        };

    public async Task<SendResult> SendAsync(SendRequest request, CancellationToken cancellationToken)
    {
        var texts = request.Items.Select(item => Text(request, item)).ToArray();
        if (Array.TrueForAll(texts, text => text is null))
        {
            return ProviderWords.All(request, SendState.Rejected, ProviderWords.TemplateError);
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(settings.Timeout);
        using var message = Message(request, texts);
        var answer = await http.SendAsync(message, deadline.Token);
        return answer switch
        {
            ProviderAnswer.NotSent => ProviderWords.All(request, SendState.Retryable, "unreachable"),
            ProviderAnswer.Silent silent => new SendResult.Unanswered(silent.Reason),
            ProviderAnswer.Reply reply => BankSmsAnswers.Understand(request, texts, reply),
            _ => throw new InvalidOperationException(),
        };
    }

    /// <summary>As the customer reads it, with what the law asks for; null where it cannot be filled in.</summary>
    private string? Text(SendRequest request, SendItem item) =>
        ProviderWords.Fill(request.Content.Text, item.Variables) is { } text
            ? ReceivedText.Of(Declaration, request.Purpose, request.Content.Sender ?? settings.SignName, text)
            : null;

    private HttpRequestMessage Message(SendRequest request, string?[] texts)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                purpose = request.Purpose == Purpose.Marketing ? "marketing" : "servicing",
                messages = request
                    .Items.Select(
                        (item, index) =>
                            new
                            {
                                key = item.TouchKey,
                                phone = item.Address,
                                text = texts[index],
                            }
                    )
                    .Where(message => message.text is not null),
            },
            ProviderWords.Json
        );
        var timestamp = time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var message = new HttpRequestMessage(HttpMethod.Post, settings.BaseUrl)
        {
            Content = new ByteArrayContent(body),
        };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json", "utf-8");
        message.Headers.TryAddWithoutValidation(KeyHeader, settings.KeyId);
        message.Headers.Add(WebhookSignature.IdHeader, request.Key);
        message.Headers.Add(WebhookSignature.TimestampHeader, timestamp);
        message.Headers.TryAddWithoutValidation(
            WebhookSignature.SignatureHeader,
            WebhookSignature.Of(settings.Secret, request.Key, timestamp, body)
        );
        return message;
    }
}
