using System.Text.Json.Serialization;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Segments;

namespace Campaigns.Planning;

/// <summary>Everything that the parts and dispatch of one run read, bound when the run is made and stored with it
/// (<c>run.plan</c>), so that a run can be replayed and explained.</summary>
public sealed record RunPlan
{
    public required string CampaignId { get; init; }
    public required int CampaignVersion { get; init; }
    public required Purpose Purpose { get; init; }
    public required int Priority { get; init; }

    /// <summary>At the versions the campaign was approved with.</summary>
    public required IReadOnlyList<SegmentReference> Include { get; init; }
    public required IReadOnlyList<ExcludedSegment> Exclude { get; init; }

    /// <summary>In the order tried, a customer's own preference before them.</summary>
    public required IReadOnlyList<Channel> Channels { get; init; }

    /// <summary>Of all channels, those whose gateway of this purpose needed no address when the run was made: whoever has consented can be
    /// reached by them.</summary>
    public IReadOnlyList<Channel> WithoutAddress { get; init; } = [];

    /// <summary>The provider's templates by each of which a customer must have authorised a message to be reached by WeChat, so
    /// that being reached does not depend on the variant; none where its gateway asks for no authorisation.</summary>
    public IReadOnlyList<string> AuthorisedTemplates { get; init; } = [];
    public required IReadOnlyList<PlannedVariant> Variants { get; init; }
    public required IReadOnlyList<BoundTemplate> Templates { get; init; }
    public required Goal Goal { get; init; }
    public required FrequencyCaps Caps { get; init; }

    /// <summary>Held out are the customers whose bucket under <see cref="HoldoutSalt"/> is below this; of 10,000.</summary>
    public required int HoldoutBuckets { get; init; }
    public required string HoldoutSalt { get; init; }
    public required string VariantSalt { get; init; }

    /// <summary>The bank-wide holdout in force at the run's instant; null where there is none.</summary>
    public GlobalHoldout? GlobalHoldout { get; init; }
    public int? ProductRisk { get; init; }
    public bool ConsumerCredit { get; init; }

    /// <inheritdoc cref="ApprovalDecision.AllowOver65"/>
    public bool AllowsOver65 { get; init; }

    /// <summary>Whether a rule of the audience or the ranking profiles, and so leaves out who refused that.</summary>
    public bool UsesProfiling { get; init; }

    public TopN? Top { get; init; }

    /// <summary>The last that is in the top; null before it is settled, and where everyone is. Above every score where nobody
    /// is.</summary>
    public Cut? TopCut { get; init; }
    public IReadOnlyDictionary<Channel, int> Budget { get; init; } = new Dictionary<Channel, int>();

    /// <summary>The last that each limited channel's budget reaches.</summary>
    public IReadOnlyDictionary<Channel, Cut> BudgetCuts { get; init; } = new Dictionary<Channel, Cut>();
    public int? PacePerHour { get; init; }

    /// <summary>The bank's own hours, as the timetable was made by: whoever lives elsewhere by the time of sending is put off by
    /// them. Null in plans that bind none.</summary>
    public ContactHours? Hours { get; init; }

    /// <summary>How large an audience was approved; null for any.</summary>
    public AudienceBounds? Approved { get; init; }

    /// <summary>Touches of a chunk: at most this and a quarter; 1 to 2,000.</summary>
    public int ChunkSize { get; init; } = 1_000;

    /// <summary>Of the contact policy that <see cref="Caps"/> and the timetable come from; 0 where nobody has set one.
    /// </summary>
    public int PolicyVersion { get; init; }

    /// <summary>Of the working calendar that the campaign names; null where it names none.</summary>
    public int? CalendarVersion { get; init; }

    /// <summary>Null for a preview, which nobody has launched.</summary>
    public RunOrigin? Origin { get; init; }
}

/// <summary>Who answers for a run: kept with it, since an approval is replaced by the next of the same version.</summary>
public sealed record RunOrigin
{
    /// <summary>SHA-256 of all that was approved, in hexadecimal digits.</summary>
    public required string Hash { get; init; }
    public required string SubmittedBy { get; init; }

    /// <summary>Business time, as all of these.</summary>
    public required DateTimeOffset SubmittedAt { get; init; }
    public required string ApprovedBy { get; init; }
    public required DateTimeOffset ApprovedAt { get; init; }

    /// <summary>At the run's own instant.</summary>
    public required string LaunchedBy { get; init; }
}

/// <summary>Where a ranking ends: a customer with a lower score, or with the same and a higher key, is behind it.</summary>
/// <param name="Score">Null for below every score.</param>
public sealed record Cut(decimal? Score, long CustomerKey);

/// <summary>A variant as stored with decisions.</summary>
/// <param name="Number">1 for the first declared.</param>
/// <param name="UpTo">A treated customer has the first variant whose bound is above the customer's bucket; the last is
/// 10,000.</param>
public sealed record PlannedVariant(short Number, string Name, int UpTo);

/// <summary>A template at the version the campaign was approved with.</summary>
/// <param name="Variant">Number of the variant.</param>
public sealed record BoundTemplate(short Variant, Channel Channel, string TemplateId, int Version);

/// <summary>Most marketing attempts a customer gets over all campaigns, by the customer's local day; null for no limit.
/// A cap above 15 a day cannot be counted and is refused.</summary>
public sealed record FrequencyCaps
{
    /// <summary>1 to 15.</summary>
    public int? PerDay { get; init; }

    /// <summary>Today and the six days before; 1 to 105.</summary>
    public int? PerWeek { get; init; }

    /// <summary>By channel, a day; 1 to 15.</summary>
    public IReadOnlyDictionary<Channel, int> PerChannelPerDay { get; init; } = new Dictionary<Channel, int>();

    /// <summary>By channel, seven days; 1 to 105.</summary>
    public IReadOnlyDictionary<Channel, int> PerChannelPerWeek { get; init; } = new Dictionary<Channel, int>();

    /// <summary>WeChat mass sends a calendar month; 1 to 15. A service account's followers receive at most four.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)] // left out, it would be the default again
    public int? WeChatPerMonth { get; init; } = 4;

    /// <summary>Between two attempts; at most seven days.</summary>
    public TimeSpan? MinimumGap { get; init; }
}

/// <summary>A share of all customers left untouched by every campaign, to compare whole programmes.</summary>
/// <param name="Version">Kept for good: an assignment can be replayed.</param>
/// <param name="Share">[0, 1).</param>
public sealed record GlobalHoldout(int Version, string Salt, decimal Share)
{
    internal int Buckets => Assignment.HoldoutBuckets(Share);
}
