using Microsoft.Extensions.Configuration;

namespace Campaigns.Channels;

/// <summary>How a gateway is spoken to and how fast: see <see cref="ChannelSettings"/> for where it is configured.</summary>
/// <remarks>A class rather than a record, so that no credential is ever part of its text.</remarks>
public sealed class GatewaySettings
{
    /// <summary>Root of the provider's API; of the bank's own sender, the address that takes messages.</summary>
    public Uri? BaseUrl { get; set; }

    /// <summary>Root of the provider's reports where it is another (JPush); <see cref="BaseUrl"/> if not set.</summary>
    public Uri? ReportUrl { get; set; }

    /// <summary>Access key id (Aliyun), app id (WeChat), app key (JPush), or which secret signs (the bank's own sender).
    /// </summary>
    public string KeyId { get; set; } = "";

    /// <summary>Access key secret, app secret, master secret, or what signs (the bank's own sender).</summary>
    public string Secret { get; set; } = "";

    /// <summary>What proves a callback: the secret in the path (Aliyun), the token of the signature (WeChat) or what signs
    /// (the bank's own sender). Empty where callbacks are not accepted.</summary>
    public string CallbackSecret { get; set; } = "";

    /// <summary>Original id of the account, such as <c>gh_1a2b3c4d5e6f</c> (WeChat): a callback for another account is refused,
    /// for <see cref="CallbackSecret"/> signs neither whom it is for nor what it says. Needed wherever WeChat's callbacks are
    /// accepted; the other providers' name no account.</summary>
    public string Account { get; set; } = "";

    /// <summary>Signature of an SMS whose content names none, without brackets; a gateway that adds one needs it.</summary>
    public string SignName { get; set; } = "";

    /// <summary>Calls to the provider a second, by all nodes together, in (0, 100,000]; may be a fraction (one a minute is
    /// 0.0167). Null for what the provider takes by default (<see cref="GatewayDeclaration.RatePerSecond"/>), or 10 where it
    /// says nothing: plans differ, so say what yours allows.</summary>
    public double? RatePerSecond { get; set; }

    /// <summary>Most calls at once of one lane: what is on the wire when a node dies. A node works several lanes; how much the
    /// provider takes from all of them is <see cref="RatePerSecond"/>.</summary>
    public int Concurrency { get; set; } = 8;

    /// <summary>Of a whole call, up to the last byte read; one without its answer by then is unanswered. Longer than the 5 s
    /// that connecting may take, so that of a provider who is not reached it is known that nothing was sent.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Most items a call, where fewer than the provider's bound are wanted.</summary>
    public int? MaxBatch { get; set; }

    /// <summary>How long the provider may keep a push for a device that is offline (JPush), whatever the hour: a push that is
    /// sent at the end of a window may arrive so much later, also in the quiet hours. 0 shows it to devices that are online
    /// and to no other.</summary>
    public TimeSpan TimeToLive { get; set; } = TimeSpan.FromHours(1);

    /// <summary>How long the in-app inbox shows a message (inbox).</summary>
    public TimeSpan ShownFor { get; set; } = TimeSpan.FromDays(30);

    /// <summary>Whether pushes go to Apple's production environment (JPush).</summary>
    public bool ApnsProduction { get; set; } = true;

    /// <summary>Of a message, or of each segment of an SMS: what a preview reckons with; 0 is free of charge. Null where
    /// nobody has said.</summary>
    public decimal? Price { get; set; }

    /// <summary>Of <see cref="Price"/>: ISO 4217.</summary>
    public string Currency { get; set; } = "CNY";

    /// <summary>False where a value has the wrong form.</summary>
    internal bool Readable { get; set; } = true;

    /// <summary>Reads settings, each section over those before it. A value of the wrong form must not throw: options are read
    /// where the file is watched, and an exception there ends the process. The binder's message quotes the value, which may
    /// be a credential in the wrong place.</summary>
    internal static GatewaySettings Of(params ReadOnlySpan<IConfigurationSection> sections)
    {
        var settings = new GatewaySettings();
        foreach (var section in sections)
        {
            try
            {
                section.Bind(settings);
            }
            catch (InvalidOperationException)
            {
                settings.Readable = false;
            }
        }

        // A null of the configuration overwrites what stands here.
        settings.KeyId ??= "";
        settings.Secret ??= "";
        settings.CallbackSecret ??= "";
        settings.Account ??= "";
        settings.SignName ??= "";
        return settings;
    }

    /// <summary>What is wrong, naming members and never their values; null when all is well.</summary>
    internal string? Fault(GatewayKind kind) =>
        this switch
        {
            { Readable: false } => "a member cannot be read",
            { BaseUrl: null } when kind.NeedsProvider => "BaseUrl is missing",
            { BaseUrl.IsAbsoluteUri: false } when kind.NeedsProvider => "BaseUrl is not absolute",
            { KeyId.Length: 0 } when kind.NeedsProvider => "KeyId is missing",
            { Secret.Length: 0 } when kind.NeedsProvider => "Secret is missing",
            { SignName: var sender } when kind.AddsSender && string.IsNullOrWhiteSpace(sender) => "SignName is missing",
            { CallbackSecret.Length: > 0, Account: var account }
                when kind.NamesAccount && string.IsNullOrWhiteSpace(account) =>
                "Account is missing: without it a callback for any account would be taken",
            { RatePerSecond: not (null or > 0 and <= 100_000) } => "RatePerSecond is not in (0, 100000]",
            { Concurrency: not (> 0 and <= 1_000) } => "Concurrency is not in [1, 1000]",
            { MaxBatch: < 1 } => "MaxBatch is under 1",
            { Timeout.Ticks: <= 0 } or { Timeout.TotalMinutes: > 5 } => "Timeout is not in (0, 5 min]",
            { TimeToLive.TotalDays: not (>= 0 and <= 10) } => "TimeToLive is not in [0, 10 days]",
            { ShownFor.TotalDays: not (> 0 and <= 366) } => "ShownFor is not in (0, 366 days]",
            { Price: not (null or >= 0 and <= 1_000_000) } => "Price is not in [0, 1000000]",
            _ when Currency is not { Length: 3 } || !Currency.All(char.IsAsciiLetterUpper) =>
                "Currency is not three capital letters",
            _ => null,
        };
}
