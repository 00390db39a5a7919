using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Campaigns.Simulator.Providers;

/// <summary>JPush's REST version 3: push, cid, and the two reports.</summary>
internal sealed class JPushProvider(
    Exchange exchange,
    SimulatorOptions options,
    SimulatorClock clock,
    ScriptBox script,
    PushTargets targets
) : IDialect
{
    private const int MostKeys = 10;
    private const int MostTargets = 1_000;

    public bool Dedupes => true;

    public Reply Accept(string providerId, bool repeated) => new(200, new { sendno = "0", msg_id = providerId });

    public Reply Refuse(string? code) => Error(400, int.TryParse(code, out var number) ? number : 1003, "refused");

    public Reply TooFast() =>
        Error(429, 2002, "Rate limit exceeded") with
        {
            Headers = new Dictionary<string, string>
            {
                ["X-Rate-Limit-Limit"] = "600",
                ["X-Rate-Limit-Remaining"] = "0",
                ["X-Rate-Limit-Reset"] = "1",
            },
        };

    internal async Task PushAsync(HttpContext context)
    {
        var (incoming, fault) =
            Unauthorised(context) is { } refused ? (null, refused)
            : await BodyAsync(context) is { } json ? Read(json)
            : (null, Error(400, 1003, "The JSON is not valid"));
        await (
            incoming is null
                ? Misbehaviour.WellAsync(context, fault!, context.RequestAborted)
                : exchange.RunAsync(context, incoming, this)
        );
    }

    internal Task KeysAsync(HttpContext context)
    {
        var count = int.TryParse(context.Request.Query["count"], out var asked) ? asked : 1;
        var reply =
            Unauthorised(context)
            ?? (
                count is < 1 or > MostKeys
                    ? Error(400, 1003, "count is not in [1, 10]")
                    : new Reply(200, new { cidlist = Enumerable.Range(0, count).Select(_ => NewKey()) })
            );
        return Misbehaviour.WellAsync(context, reply, context.RequestAborted);
    }

    internal async Task StatusAsync(HttpContext context)
    {
        var reply =
            Unauthorised(context)
            ?? (await BodyAsync(context) is { } json ? Statuses(json) : Error(400, 3002, "The JSON is not valid"));
        await Misbehaviour.WellAsync(context, reply, context.RequestAborted);
    }

    internal Task ReceivedAsync(HttpContext context)
    {
        var ids = context.Request.Query["msg_ids"].ToString().Split(',', StringSplitOptions.RemoveEmptyEntries);
        var reply =
            Unauthorised(context)
            ?? (ids.Length is 0 or > 100 ? Error(400, 3002, "1 to 100 msg_ids") : new Reply(200, ids.Select(Received)));
        return Misbehaviour.WellAsync(context, reply, context.RequestAborted);
    }

    private object Received(string id)
    {
        var delivered = IsSettled(id) ? targets.Totals(id).Delivered : 0;
        return new
        {
            msg_id = id,
            jpush_received = delivered,
            android_pns_sent = 0,
            ios_apns_sent = 0,
        };
    }

    private Reply Statuses(JsonElement json)
    {
        if (
            !json.TryGetProperty("msg_id", out var id)
            || id.ValueKind != JsonValueKind.Number
            || !json.TryGetProperty("registration_ids", out var wanted)
            || wanted.ValueKind != JsonValueKind.Array
            || wanted.GetArrayLength() is 0 or > MostTargets
        )
        {
            return Error(400, 3002, "msg_id or registration_ids is not valid");
        }

        var message = id.GetRawText();
        return new Reply(
            200,
            wanted
                .EnumerateArray()
                .Select(target => target.ToString())
                .Distinct()
                .ToDictionary(target => target, target => new { status = Status(message, target) })
        );
    }

    private int Status(string message, string target) =>
        targets.FateOf(message, target) switch
        {
            null => 3,
            _ when !IsSettled(message) => 1,
            Fate.Delivered => 0,
            Fate.Failed => 2,
            _ => 1,
        };

    private bool IsSettled(string message)
    {
        var receipts = script.Script.ReceiptsOf(Channels.App);
        return targets.SentAt(message) is { } at
            && (at <= targets.FlushedThrough || (!receipts.Hold && at.AddSeconds(receipts.DelaySeconds) <= clock.Now));
    }

    private Reply? Unauthorised(HttpContext context)
    {
        var expected =
            $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{options.JPushKey}:{options.JPushSecret}"))}";
        return CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(context.Request.Headers.Authorization.ToString()),
            Encoding.UTF8.GetBytes(expected)
        )
            ? null
            : Error(401, 1004, "Authentication failed");
    }

    private static (Incoming?, Reply?) Read(JsonElement json)
    {
        var ids =
            json.TryGetProperty("audience", out var audience)
            && audience.ValueKind == JsonValueKind.Object
            && audience.TryGetProperty("registration_id", out var list)
            && list.ValueKind == JsonValueKind.Array
                ? list.EnumerateArray().Select(id => id.ToString()).ToList()
                : null;
        var key = json.TryGetProperty("cid", out var cid) ? cid.ToString() : null;
        var fault =
            !json.TryGetProperty("platform", out _) ? Error(400, 1002, "platform is missing")
            : !json.TryGetProperty("notification", out var notification) ? Error(400, 1002, "notification is missing")
            : ids is null or { Count: 0 or > MostTargets } ? Error(400, 1003, "registration_id is not valid")
            : ids.Exists(id => id.Length is 0 or > 128) ? Error(400, 1003, "registration_id is not valid")
            : key is { Length: 0 or > 64 } ? Error(400, 1003, "cid is not valid")
            : null;
        if (fault is not null)
        {
            return (null, fault);
        }

        var content = Alert(json.GetProperty("notification"));
        return (new Incoming(Channels.App, key, ids!, _ => content), null);
    }

    private static string Alert(JsonElement notification) =>
        notification.ValueKind == JsonValueKind.Object
        && notification.TryGetProperty("android", out var android)
        && android.TryGetProperty("alert", out var alert)
            ? alert.ToString()
            : notification.ToString();

    private static async Task<JsonElement?> BodyAsync(HttpContext context)
    {
        try
        {
            using var document = await JsonDocument.ParseAsync(context.Request.Body, default, context.RequestAborted);
            return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string NewKey() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{RandomNumberGenerator.GetHexString(24, true)}-{Guid.NewGuid():D}"
        );

    private static Reply Error(int status, int code, string message) =>
        new(status, new { error = new { code, message } });
}

internal static class JPushRoutes
{
    internal static void MapJPush(this IEndpointRouteBuilder app)
    {
        var provider = app.ServiceProvider.GetRequiredService<JPushProvider>();
        app.MapPost("/v3/push", provider.PushAsync);
        app.MapGet("/v3/push/cid", provider.KeysAsync);
        app.MapPost("/v3/status/message", provider.StatusAsync);
        app.MapGet("/v3/received/detail", provider.ReceivedAsync);
    }
}
