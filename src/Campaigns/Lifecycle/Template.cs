using Campaigns.Channels;

namespace Campaigns.Lifecycle;

/// <summary>What a marketer writes: one message for one channel in one language. Places such as <c>{{first_name}}</c> are
/// filled with the customer's field of that name, or with its default.</summary>
public sealed record TemplateDraft
{
    public required Channel Channel { get; init; }

    /// <summary>Approved with the template: a campaign takes templates of its own purpose only.</summary>
    public Purpose Purpose { get; init; } = Purpose.Marketing;

    /// <summary>As BCP 47 has it, such as <c>zh-CN</c> or <c>en</c>.</summary>
    public required string Language { get; init; }

    /// <summary>Where the channel shows one; at most 100 characters.</summary>
    public string? Title { get; init; }

    /// <summary>1 to 2,000 characters.</summary>
    public required string Text { get; init; }

    /// <summary>The provider's own template code, where it wants one; at most 100 characters.</summary>
    public string? ProviderTemplate { get; init; }

    /// <summary>The signature that the customer sees, without brackets; at most 30 characters.</summary>
    public string? Sender { get; init; }

    /// <summary>Where a tap leads, the same for everybody: an absolute address of the web or of an app's own scheme, such
    /// as <c>https://bank.example/offer</c> or <c>bankapp://offer</c>; at most 500 characters.</summary>
    public string? Link { get; init; }

    /// <summary>What stands in a place when the customer has no such field, or it is sensitive and she has not consented
    /// to its use; by variable, at most 200 characters each.</summary>
    public IReadOnlyDictionary<string, string> Defaults { get; init; } = new Dictionary<string, string>();
}

/// <summary>A template at one of its versions. A version never changes: a run uses the one its campaign was approved with.
/// </summary>
public sealed record Template
{
    public required string TemplateId { get; init; }

    /// <summary>1 for the first; grows with every change.</summary>
    public required int Version { get; init; }
    public required TemplateDraft Content { get; init; }
    public required string CreatedBy { get; init; }

    /// <summary>Business time.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>How long it is as a short message, with what the gateway of now adds; null for other channels, and where no
    /// gateway serves SMS.</summary>
    public SmsLength? Sms { get; init; }
}

/// <summary>A template at a version.</summary>
public sealed record TemplateReference(string TemplateId, int Version);
