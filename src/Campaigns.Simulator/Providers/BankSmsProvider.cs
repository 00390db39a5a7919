using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Campaigns.Simulator.Providers;

/// <summary>A bank's own SMS sender: takes signed batches, and knows each message by its key for a day.</summary>
internal sealed class BankSmsProvider(Exchange exchange, SimulatorOptions options)
{
    private const int MostMessages = 500;
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(5);

    internal async Task HandleAsync(HttpContext context)
    {
        using var bytes = new MemoryStream();
        await context.Request.Body.CopyToAsync(bytes, context.RequestAborted);
        var body = bytes.ToArray();
        var (incoming, fault) = IsSigned(context.Request.Headers, body)
            ? Read(context.Request.Headers["webhook-id"].ToString(), body)
            : (null, Error(401, "bad-signature"));
        await (
            incoming is null
                ? Misbehaviour.WellAsync(context, fault!, context.RequestAborted)
                : exchange.RunAsync(context, incoming, new Dialect(incoming.ItemKeys!))
        );
    }

    /// <summary>The signature over id, timestamp and body: callbacks bear the same.</summary>
    internal static string Sign(string secret, string id, string timestamp, byte[] body)
    {
        byte[] signed = [.. Encoding.UTF8.GetBytes($"{id}.{timestamp}."), .. body];
        return "v1," + Convert.ToBase64String(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), signed));
    }

    private bool IsSigned(IHeaderDictionary headers, byte[] body)
    {
        var timestamp = headers["webhook-timestamp"].ToString();
        var right = Sign(options.BankSmsSecret, headers["webhook-id"].ToString(), timestamp, body);
        return headers["webhook-key"] == options.BankSmsKeyId
            && long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            && (DateTimeOffset.UtcNow - DateTimeOffset.FromUnixTimeSeconds(seconds)).Duration() <= ClockTolerance
            && CryptographicOperations.FixedTimeEquals(
                Encoding.UTF8.GetBytes(right),
                Encoding.UTF8.GetBytes(headers["webhook-signature"].ToString())
            );
    }

    private static (Incoming?, Reply?) Read(string id, byte[] body)
    {
        try
        {
            var batch = JsonSerializer.Deserialize<Batch>(body, Wire.Json)!;
            var messages = batch.Messages;
            var fault =
                id.Length is 0 or > 64 ? "id-not-valid"
                : messages.Count is 0 or > MostMessages ? "count-not-valid"
                : messages.Any(message => message.Key.Length is 0 or > 64) ? "key-not-valid"
                : messages.DistinctBy(message => message.Key).Count() < messages.Count ? "key-repeated"
                : messages.Any(message => !message.Phone.StartsWith('+') || message.Text.Length == 0)
                    ? "message-not-valid"
                : null;
            return fault is not null
                ? (null, Error(400, fault))
                : (
                    new Incoming(
                        Channels.BankSms,
                        id,
                        [.. messages.Select(message => message.Phone)],
                        index => messages[index].Text
                    )
                    {
                        ItemKeys = [.. messages.Select(message => message.Key)],
                    },
                    null
                );
        }
        catch (JsonException)
        {
            return (null, Error(400, "malformed-json"));
        }
    }

    private static Reply Error(int status, string code) => new(status, new { code });

    private sealed record Message
    {
        public required string Key { get; init; }
        public required string Phone { get; init; }
        public required string Text { get; init; }
    }

    private sealed record Batch
    {
        public required string Purpose { get; init; }
        public required IReadOnlyList<Message> Messages { get; init; }
    }

    /// <summary>Answers for each message of one request.</summary>
    private sealed class Dialect(IReadOnlyList<string> keys) : IDialect
    {
        public bool Dedupes => true;

        public Reply Accept(string providerId, bool repeated) =>
            new(200, new { id = providerId, results = keys.Select(key => new { key, status = "accepted" }) });

        public Reply Refuse(string? code) =>
            new(
                200,
                new
                {
                    results = keys.Select(key => new
                    {
                        key,
                        status = "rejected",
                        code = code ?? "rejected",
                    }),
                }
            );

        public Reply TooFast() => Error(429, "too-fast");
    }
}

internal static class BankSmsRoutes
{
    internal static void MapBankSms(this IEndpointRouteBuilder app) =>
        app.MapPost("/bank-sms", app.ServiceProvider.GetRequiredService<BankSmsProvider>().HandleAsync);
}
