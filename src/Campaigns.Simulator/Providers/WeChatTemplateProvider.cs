using System.Text.Json;

namespace Campaigns.Simulator.Providers;

/// <summary>WeChat's template messages, under the tokens of <see cref="WeChatProvider"/>.</summary>
internal sealed class WeChatTemplateProvider(Exchange exchange, WeChatProvider account) : IDialect
{
    private const int LongestThing = 20;

    public bool Dedupes => true;

    public Reply Accept(string providerId, bool repeated) =>
        new(
            200,
            new
            {
                errcode = 0,
                errmsg = "ok",
                msgid = long.Parse(providerId, null),
            }
        );

    public Reply Refuse(string? code) => account.Refuse(code);

    public Reply TooFast() => account.TooFast();

    internal async Task SendAsync(HttpContext context)
    {
        var (incoming, fault) =
            account.TokenFault(context) is { } refused ? (null, refused)
            : await WeChatProvider.BodyAsync(context) is { } json ? Read(json, Channels.WeChatTemplate)
            : (null, WeChatProvider.Error(47001, "data format error"));
        await (
            incoming is null
                ? Misbehaviour.WellAsync(context, fault!, context.RequestAborted)
                : exchange.RunAsync(context, incoming, this)
        );
    }

    /// <summary>A message by a template, of either kind.</summary>
    internal static (Incoming?, Reply?) Read(JsonElement json, string channel)
    {
        var openid = WeChatProvider.Text(json, "touser");
        var template = WeChatProvider.Text(json, "template_id");
        var values = Values(json);
        var fault =
            string.IsNullOrEmpty(openid) || openid.Length > 128 ? WeChatProvider.Error(40003, "invalid openid")
            : string.IsNullOrEmpty(template) ? WeChatProvider.Error(40037, "invalid template_id")
            : values is null ? WeChatProvider.Error(47003, "argument invalid! data empty or too long")
            : null;
        return fault is null
            ? (
                new Incoming(
                    channel,
                    WeChatProvider.Text(json, "client_msg_id"),
                    [openid!],
                    _ => $"{template}\n{string.Join('\n', values!.Select(one => $"{one.Key}={one.Value}"))}"
                )
                {
                    Template = template,
                },
                null
            )
            : (null, fault);
    }

    /// <summary>Null where a value is missing or longer than its keyword may be.</summary>
    private static Dictionary<string, string>? Values(JsonElement json)
    {
        if (!json.TryGetProperty("data", out var data) || data.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        var values = new Dictionary<string, string>();
        foreach (var keyword in data.EnumerateObject())
        {
            var value =
                keyword.Value.ValueKind == JsonValueKind.Object ? WeChatProvider.Text(keyword.Value, "value") : null;
            if (
                string.IsNullOrEmpty(value)
                || keyword.Name.StartsWith("thing", StringComparison.Ordinal)
                    && value.EnumerateRunes().Count() > LongestThing
            )
            {
                return null;
            }

            values[keyword.Name] = value;
        }

        return values.Count == 0 ? null : values;
    }
}
