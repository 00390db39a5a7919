using System.Text.Json;

namespace Campaigns.Simulator.Providers;

/// <summary>WeChat's subscribe messages, under the tokens of <see cref="WeChatProvider"/>: each takes one of the messages that
/// its user has authorised by the template, and a call knows no key.</summary>
internal sealed class WeChatSubscribeProvider(Exchange exchange, WeChatProvider account) : IDialect
{
    private const string NoneLeft = "43101";
    private readonly Lock _lock = new();
    private readonly Dictionary<(string OpenId, string Template), int> _authorised = [];

    public bool Dedupes => false;

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

    /// <summary>Adds to what a user has authorised.</summary>
    internal void Authorise(AuthorisationSetting given)
    {
        lock (_lock)
        {
            var key = (given.OpenId, given.Template);
            _authorised[key] = _authorised.GetValueOrDefault(key) + given.Messages;
        }
    }

    public string? RefusalOf(Incoming incoming)
    {
        lock (_lock)
        {
            var key = (incoming.Addresses[0], incoming.Template!);
            var left = _authorised.GetValueOrDefault(key);
            _authorised[key] = Math.Max(0, left - 1);
            return left > 0 ? null : NoneLeft;
        }
    }

    internal async Task SendAsync(HttpContext context)
    {
        var (incoming, fault) =
            account.TokenFault(context) is { } refused ? (null, refused)
            : await WeChatProvider.BodyAsync(context) is { } json ? Read(json)
            : (null, WeChatProvider.Error(47001, "data format error"));
        await (
            incoming is null
                ? Misbehaviour.WellAsync(context, fault!, context.RequestAborted)
                : exchange.RunAsync(context, incoming, this)
        );
    }

    private static (Incoming?, Reply?) Read(JsonElement json)
    {
        var state = WeChatProvider.Text(json, "miniprogram_state");
        var (incoming, fault) = WeChatTemplateProvider.Read(json, Channels.WeChatSubscribe);
        return fault is null && state is not (null or "formal" or "trial" or "developer")
            ? (null, WeChatProvider.Error(40097, "invalid args"))
            : (incoming, fault);
    }
}
