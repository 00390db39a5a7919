using Campaigns.Calendar;
using Campaigns.Channels;

namespace Campaigns.Tests.Planning;

/// <summary>One past marketing attempt.</summary>
internal sealed record PastContact(int DaysAgo, Channel Channel);

/// <summary>A customer as the naive planner sees one.</summary>
internal sealed record Person
{
    public bool Member { get; init; } = true;
    public bool Neighbour { get; init; }
    public bool Excluded { get; init; }
    public string Zone { get; init; } = TimeZones.Bank;
    public PreferredSlots Slots { get; init; }
    public Channel[] Preferred { get; init; } = [];
    public Channel[] Reachable { get; init; } = [Channel.Sms];
    public Channel[] Shared { get; init; } = [];
    public Channel[] Consented { get; init; } = [Channel.Sms];
    public Channel[] OptedOut { get; init; } = [];
    public DateOnly? BirthDate { get; init; }
    public int? RiskRating { get; init; }
    public DateOnly? RiskRatedUntil { get; init; }
    public bool Student { get; init; }
    public bool PersonalisationOff { get; init; }
    public bool Erased { get; init; }
    public decimal? Score { get; init; }

    /// <summary>At most 15 a day.</summary>
    public PastContact[] Contacts { get; init; } = [];
    public int WeChatThisMonth { get; init; }

    /// <summary>Every past contact was an hour before this hour of its day.</summary>
    public DateTimeOffset? LastContact(DateTimeOffset asOf) =>
        Contacts.Length == 0 ? null : asOf.AddHours(-1).AddDays(-Contacts.Min(contact => contact.DaysAgo));
}
