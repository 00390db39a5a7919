using System.Security.Cryptography;
using System.Text.Json;

namespace Campaigns.Simulator.Providers;

/// <summary>WeChat's stable token and mass send by openid.</summary>
internal sealed class WeChatProvider(Exchange exchange, SimulatorOptions options) : IDialect
{
    private const int TokenSeconds = 7_200;
    private static readonly TimeSpan Overlap = TimeSpan.FromMinutes(5);

    private readonly Lock _lock = new();
    private Token? _current;
    private Token? _previous;
    private long _fetched;

    /// <summary>How many times a token was asked for.</summary>
    internal long TokensFetched => Interlocked.Read(ref _fetched);

    public bool Dedupes => true;

    public Reply Accept(string providerId, bool repeated) =>
        new(
            200,
            new
            {
                errcode = repeated ? 45065 : 0,
                errmsg = repeated ? "clientmsgid exist" : "send job submission success",
                msg_id = long.Parse(providerId, null),
            }
        );

    public Reply Refuse(string? code) => Error(int.TryParse(code, out var number) ? number : -1, "refused");

    public Reply TooFast() => Error(45011, "api minute-quota reach limit");

    /// <summary>Makes every token given so far invalid.</summary>
    internal void ForgetTokens()
    {
        lock (_lock)
        {
            (_current, _previous) = (null, null);
        }
    }

    internal async Task StableTokenAsync(HttpContext context)
    {
        Interlocked.Increment(ref _fetched);
        var body = await BodyAsync(context);
        var reply =
            body is not { } json || Text(json, "grant_type") != "client_credential" ? Error(40002, "invalid grant_type")
            : Text(json, "appid") != options.WeChatAppId ? Error(40013, "invalid appid")
            : Text(json, "secret") != options.WeChatSecret ? Error(40125, "invalid appsecret")
            : Give(json.TryGetProperty("force_refresh", out var force) && force.ValueKind == JsonValueKind.True);
        await Misbehaviour.WellAsync(context, reply, context.RequestAborted);
    }

    internal async Task MassSendAsync(HttpContext context)
    {
        var (incoming, fault) =
            TokenFault(context) is { } refused ? (null, refused)
            : await BodyAsync(context) is { } json ? Read(json)
            : (null, Error(47001, "data format error"));
        await (
            incoming is null
                ? Misbehaviour.WellAsync(context, fault!, context.RequestAborted)
                : exchange.RunAsync(context, incoming, this)
        );
    }

    internal async Task MassGetAsync(HttpContext context)
    {
        var reply =
            TokenFault(context)
            ?? (
                await BodyAsync(context) is { } json && json.TryGetProperty("msg_id", out var id)
                    ? new Reply(200, new { msg_id = id.ToString(), msg_status = "SEND_SUCCESS" })
                    : Error(47001, "data format error")
            );
        await Misbehaviour.WellAsync(context, reply, context.RequestAborted);
    }

    private Reply Give(bool force)
    {
        lock (_lock)
        {
            var now = DateTimeOffset.UtcNow;
            if (force || _current is null || _current.ExpiresAt - now < Overlap)
            {
                _previous =
                    _current is { } old && old.ExpiresAt > now + Overlap
                        ? old with
                        {
                            ExpiresAt = now + Overlap,
                        }
                        : _current;
                _current = new Token(RandomNumberGenerator.GetHexString(512), now.AddSeconds(TokenSeconds));
            }

            var left = (int)(_current.ExpiresAt - now).TotalSeconds;
            return new Reply(200, new { access_token = _current.Text, expires_in = left });
        }
    }

    /// <summary>Null for a token that is valid.</summary>
    internal Reply? TokenFault(HttpContext context)
    {
        var given = context.Request.Query["access_token"].ToString();
        lock (_lock)
        {
            var known =
                _current?.Text == given ? _current
                : _previous?.Text == given ? _previous
                : null;
            return given.Length == 0 ? Error(41001, "access_token missing")
                : known is null ? Error(40001, "invalid credential, access_token is invalid or not latest")
                : known.ExpiresAt < DateTimeOffset.UtcNow ? Error(42001, "access_token expired")
                : null;
        }
    }

    private static (Incoming?, Reply?) Read(JsonElement json)
    {
        if (!json.TryGetProperty("touser", out var to) || to.ValueKind != JsonValueKind.Array)
        {
            return (null, Error(40035, "invalid parameter"));
        }

        var openids = to.EnumerateArray().Select(openid => openid.ToString()).ToList();
        var key = Text(json, "clientmsgid");
        var type = Text(json, "msgtype");
        var (member, inner) = type == "mpnews" ? ("mpnews", "media_id") : ("text", "content");
        var content =
            json.TryGetProperty(member, out var message) && message.ValueKind == JsonValueKind.Object
                ? Text(message, inner)
                : null;
        var fault =
            openids.Count is < 2 or > 10_000 ? Error(40130, "invalid openid list size, at least two openid")
            : openids.Exists(openid => openid.Length is 0 or > 128) ? Error(40003, "invalid openid")
            : type is not ("text" or "mpnews") ? Error(40008, "invalid message type")
            : string.IsNullOrEmpty(content) ? Error(type == "text" ? 44004 : 40007, "empty content")
            : key is { Length: > 64 } ? Error(45064, "clientmsgid too long")
            : null;
        return fault is null ? (new Incoming(Channels.WeChat, key, openids, _ => content!), null) : (null, fault);
    }

    internal static async Task<JsonElement?> BodyAsync(HttpContext context)
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

    internal static string? Text(JsonElement json, string member) =>
        json.TryGetProperty(member, out var value) ? value.ToString() : null;

    internal static Reply Error(int code, string message) => new(200, new { errcode = code, errmsg = message });

    private sealed record Token(string Text, DateTimeOffset ExpiresAt);
}

internal static class WeChatRoutes
{
    internal static void MapWeChat(this IEndpointRouteBuilder app)
    {
        var provider = app.ServiceProvider.GetRequiredService<WeChatProvider>();
        app.MapPost("/cgi-bin/stable_token", provider.StableTokenAsync);
        app.MapPost("/cgi-bin/message/mass/send", provider.MassSendAsync);
        app.MapPost("/cgi-bin/message/mass/get", provider.MassGetAsync);
        var templates = app.ServiceProvider.GetRequiredService<WeChatTemplateProvider>();
        app.MapPost("/cgi-bin/message/template/send", templates.SendAsync);
        var subscribed = app.ServiceProvider.GetRequiredService<WeChatSubscribeProvider>();
        app.MapPost("/cgi-bin/message/subscribe/send", subscribed.SendAsync);
    }
}
