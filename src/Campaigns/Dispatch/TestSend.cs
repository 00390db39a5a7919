using Campaigns.Channels;

namespace Campaigns.Dispatch;

/// <summary>To whom a template is sent to be looked at.</summary>
public sealed record TestSendRequest
{
    /// <summary>Ids of customers on the list of testers, 1 to 20, none twice.</summary>
    public required IReadOnlyList<string> Testers { get; init; }

    /// <summary>Null for the newest.</summary>
    public int? Version { get; init; }
}

/// <summary>How far a test message has come. The number is stored; a receipt's ranks above an answer's.</summary>
public enum TestState : short
{
    /// <summary>We did not send it: <see cref="TestMessage.Code"/> says why.</summary>
    Withheld = 0,

    /// <summary>The provider has it.</summary>
    Accepted = 1,

    /// <summary>The provider refused it for good.</summary>
    Rejected = 2,

    /// <summary>Nothing was sent, and it may be tried again later.</summary>
    NotSent = 3,

    /// <summary>No answer, or not yet.</summary>
    Unknown = 4,

    /// <summary>The provider said later that it did not arrive.</summary>
    Failed = 5,

    /// <summary>It arrived.</summary>
    Delivered = 6,
}

/// <summary>A template as it was sent to testers.</summary>
public sealed record TestSend
{
    public required int Number { get; init; }
    public required string TemplateId { get; init; }
    public required int Version { get; init; }
    public required Channel Channel { get; init; }

    /// <summary>By which it went.</summary>
    public required string Gateway { get; init; }
    public required string SentBy { get; init; }

    /// <summary>Business time.</summary>
    public required DateTimeOffset SentAt { get; init; }

    /// <summary>One a tester, in the order that was asked for.</summary>
    public IReadOnlyList<TestMessage> Messages { get; init; } = [];
}

/// <summary>What became of a test message.</summary>
public sealed record TestMessage
{
    public required string CustomerId { get; init; }

    /// <summary>Where it went, masked, as the customer's address is now; null where she has none.</summary>
    public string? Address { get; init; }
    public required TestState State { get; init; }

    /// <summary>The provider's code; of what was withheld <c>opted_out</c>, <c>no_consent</c>, <c>personalisation_off</c>,
    /// <c>unreachable</c>, <c>quiet_hours</c> or <c>template_error</c>.</summary>
    public string? Code { get; init; }
}
