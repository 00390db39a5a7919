namespace Campaigns.Channels;

/// <summary>How a provider recognises a request it has already had.</summary>
public enum Dedupe
{
    /// <summary>It does not: an unanswered send is never repeated and stays unknown until a receipt settles it.</summary>
    None,

    /// <summary>By a key of the request, within <see cref="GatewayDeclaration.DedupePeriod"/>: a repeat carries the same
    /// key and exactly the same members.</summary>
    Key,

    /// <summary>It can be asked what became of a request.</summary>
    Query,
}

/// <summary>Who puts a text into a message that the law asks for.</summary>
public enum AddedBy
{
    Template,
    Gateway,
    NotNeeded,
}

/// <summary>What a gateway can do: planning, templates and dispatch check against it.</summary>
public sealed record GatewayDeclaration
{
    /// <summary>As configured, such as <c>aliyun-sms</c>.</summary>
    public required string Name { get; init; }
    public required Channel Channel { get; init; }
    public required IReadOnlySet<Purpose> Purposes { get; init; }

    /// <summary>Whether one request may carry different values for each member.</summary>
    public required bool Variables { get; init; }
    public required AddedBy Sender { get; init; }
    public required AddedBy Refusal { get; init; }

    /// <summary>Whether it sends templates of the provider's own only, so that ours must name one.</summary>
    public bool NeedsProviderTemplate { get; init; }

    /// <summary>Where each message takes one that the customer has authorised by the provider's template: the code that says
    /// she has none left. Null where none is needed.</summary>
    public string? NoAuthorisation { get; init; }

    /// <summary>Whether an item is sent to an address of the customer's; otherwise the customer herself is the address, and
    /// whoever has consented to the channel can be reached by it.</summary>
    public bool NeedsAddress { get; init; } = true;

    /// <summary>Most members of one request.</summary>
    public required int MaxBatch { get; init; }

    /// <summary>Fewest members of one request; fewer fall back to the next channel.</summary>
    public int MinBatch { get; init; } = 1;
    public required Dedupe Dedupe { get; init; }

    /// <summary>How long the provider remembers a key; zero where it has none.</summary>
    public TimeSpan DedupePeriod { get; init; }

    /// <summary>Whether it knows each item by its touch key as well, for as long: one that it answers as
    /// <see cref="SendState.Unknown"/> may then be asked for again, in whatever request, and is sent once.</summary>
    public bool KnowsTouches { get; init; }

    /// <summary>Calls a second that the provider takes of whoever has no plan of her own with it, in (0, 100,000]: the pace
    /// where <see cref="GatewaySettings.RatePerSecond"/> says none. Null where the provider says nothing.</summary>
    public double? RatePerSecond { get; init; }

    /// <summary>Most accepted sends a customer may get in a calendar month; null where there is no such limit.</summary>
    public int? MonthlyPerCustomer { get; init; }
}

/// <summary>One member of a request. Lives only as long as the request: the address is never logged or stored.</summary>
/// <param name="TouchKey">Names the touch to the provider where it takes a key an item.</param>
/// <param name="Address">Phone in E.164, openid, or registration id, in clear; the customer's key in digits where the gateway
/// needs no address.</param>
/// <param name="Variables">Values for the template's variables; the same for all where the gateway takes none.</param>
public sealed record SendItem(string TouchKey, string Address, IReadOnlyDictionary<string, string> Variables)
{
    /// <summary>The key, without the address.</summary>
    public override string ToString() => TouchKey;
}

/// <summary>What a channel says, before variables are filled in.</summary>
/// <param name="Title">Title, where the channel shows one.</param>
/// <param name="Text">Text with <c>{{variable}}</c> places.</param>
/// <param name="ProviderTemplate">The provider's own template code, where it wants one.</param>
/// <param name="Sender">The signature the customer sees, without brackets.</param>
/// <param name="Link">Where a tap leads; null for nowhere.</param>
public sealed record MessageContent(string? Title, string Text, string? ProviderTemplate, string? Sender, string? Link);

/// <summary>One call to a provider.</summary>
/// <param name="Key">The idempotency key of the request: at most 64 characters of <c>[A-Za-z0-9_-]</c>, stored with the
/// attempt before it is sent; a repeat carries the same key and the same items in the same order.</param>
/// <param name="Content">One content for all items.</param>
/// <param name="Items">Between the gateway's bounds.</param>
public sealed record SendRequest(string Key, Purpose Purpose, MessageContent Content, IReadOnlyList<SendItem> Items);

/// <summary>What became of one item. The number is stored.</summary>
public enum SendState : short
{
    /// <summary>The provider has it.</summary>
    Accepted = 1,

    /// <summary>Refused for good: another try would be refused again.</summary>
    Rejected = 2,

    /// <summary>Refused for now: may be sent again after a while.</summary>
    Retryable = 3,

    /// <summary>No answer: it may or may not have been sent.</summary>
    Unknown = 4,

    /// <summary>Accepted, and where the customer finds it: no receipt will follow.</summary>
    Delivered = 5,
}

/// <summary>The answer for one item.</summary>
/// <param name="Code">The provider's code, as given; null when accepted.</param>
/// <param name="ProviderId">The provider's id for receipts; null when not accepted, and where none will follow.</param>
public readonly record struct ItemResult(SendState State, string? Code, string? ProviderId);

/// <summary>The answer to a request; a special outcome is a value, not an exception.</summary>
public abstract record SendResult
{
    private SendResult() { }

    /// <summary>One result an item, in the request's order.</summary>
    public sealed record Answered(IReadOnlyList<ItemResult> Items) : SendResult;

    /// <summary>Nothing was sent: too fast. Spends no try.</summary>
    /// <param name="RetryAfter">Not before this much real time has passed.</param>
    public sealed record Throttled(TimeSpan RetryAfter) : SendResult;

    /// <summary>Nothing was sent, and nothing will be until somebody acts: wrong credentials, no balance.</summary>
    /// <param name="Reason">In words, for an operator.</param>
    public sealed record ChannelStopped(string Code, string Reason) : SendResult;

    /// <summary>Nothing was sent: one item, which the provider does not name, spoils the whole request. Its items may be
    /// sent again in smaller requests, each with a key of its own; a lone item is then <see cref="Answered"/> as
    /// <see cref="SendState.Rejected"/>.</summary>
    public sealed record Spoiled(string Code) : SendResult;

    /// <summary>No usable answer: cut, timed out, or not understood. The items may or may not have been sent; with
    /// <see cref="Dedupe.Key"/> the same request may be repeated with its key.</summary>
    public sealed record Unanswered(string Reason) : SendResult;
}

/// <summary>Keys for requests to come.</summary>
/// <param name="Keys">As many as were asked for, or fewer and a <paramref name="Refusal"/>.</param>
/// <param name="Refusal">Why there are not more: throttled, stopped or unanswered; nothing was sent. Null when all are
/// there.</param>
public sealed record ReservedKeys(IReadOnlyList<string> Keys, SendResult? Refusal);

/// <summary>A provider's own wire. Sends once and never repeats by itself: repeating is dispatch's decision.</summary>
public interface IGateway
{
    GatewayDeclaration Declaration { get; }

    /// <summary>What it would refuse in a template's content beside what its declaration says, in words that follow "the
    /// text"; none for most.</summary>
    IEnumerable<string> FaultsOf(MessageContent content) => [];

    /// <summary>Whether request keys are the provider's to give, by <see cref="ReserveKeysAsync"/>, stored with the attempt
    /// before it is sent. Otherwise the caller makes its own.</summary>
    bool ReservesKeys => false;

    /// <summary>Fetches keys for requests to come. May call the provider, at its rate, once for every ten keys.</summary>
    /// <exception cref="NotSupportedException">This gateway's keys are the caller's to make.</exception>
    Task<ReservedKeys> ReserveKeysAsync(int count, CancellationToken cancellationToken) =>
        throw new NotSupportedException($"{Declaration.Name} takes the caller's own keys.");

    /// <summary>Sends one request. Expected failures are values; an exception means a bug, and the items are treated as
    /// unknown.</summary>
    Task<SendResult> SendAsync(SendRequest request, CancellationToken cancellationToken);
}
