using System.Text.Json;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Statistics;

namespace Campaigns.Lifecycle;

/// <summary>What a marketer drafts and an approver approves: whom, why, how, when and how much.</summary>
public sealed record CampaignDefinition
{
    /// <summary>For people; at most 200 characters.</summary>
    public required string Name { get; init; }

    /// <summary>Servicing only where the goal is no sale.</summary>
    public Purpose Purpose { get; init; } = Purpose.Marketing;
    public required Audience Audience { get; init; }
    public required Goal Goal { get; init; }

    /// <summary>One or more, told apart by their share of the treated customers.</summary>
    public required IReadOnlyList<Variant> Variants { get; init; }

    /// <summary>In the order tried; a customer's own preference goes first.</summary>
    public required IReadOnlyList<Channel> Channels { get; init; }
    public required Schedule Schedule { get; init; }

    /// <summary>Share of those who passed every gate that is left untouched for comparison; [0, 0.5].</summary>
    public decimal Holdout { get; init; }

    /// <summary>1 to 9; of two campaigns that contest one place under a cap the higher has it.</summary>
    public int Priority { get; init; } = 5;

    /// <summary>Most touches a channel may have in a run; a channel not named is not limited.</summary>
    public IReadOnlyDictionary<Channel, int> Budget { get; init; } = new Dictionary<Channel, int>();

    /// <summary>Most touches an hour, over all channels; null for as fast as the channels allow.</summary>
    public int? PacePerHour { get; init; }

    /// <summary>Risk of the product, 1 (lowest) to 5: a customer with a lower, missing or expired rating is unsuitable.
    /// Null where the product has no risk.</summary>
    public int? ProductRisk { get; init; }

    /// <summary>Consumer credit never targets students.</summary>
    public bool ConsumerCredit { get; init; }

    /// <summary>Reference of the impact assessment; asked for where a rule or a template uses a sensitive field.</summary>
    public string? Assessment { get; init; }
}

/// <summary>Members of any included segment at the run's instant; members of an excluded one belong to the audience and
/// are suppressed. An excluded segment that uses sensitive data has everyone who has not consented to that as well.</summary>
public sealed record Audience
{
    public required IReadOnlyList<string> Include { get; init; }
    public IReadOnlyList<string> Exclude { get; init; } = [];
    public TopN? Top { get; init; }
}

/// <summary>The best by a numeric field, counted among those who passed every gate before it; ties by customer key.</summary>
/// <param name="Field">A number of the field catalogue; a customer without it comes last. By a sensitive field nobody is in
/// the top without it, nor without the consent for sensitive data.</param>
/// <param name="Count">At least 1.</param>
public sealed record TopN(string Field, int Count);

/// <summary>Fields that hold what the goal's number was a year earlier: the bank imports them before the run is planned, and
/// they are looked up then. Where one of them or the goal's own is sensitive, whoever has not consented to that is in neither
/// arm. What they show describes and proves nothing: nobody had been assigned to an arm then.</summary>
/// <param name="Before">A number of the field catalogue: as of a year before the run's instant.</param>
/// <param name="After">As of a year before the window's end. Neither the same field as Before nor the goal's own.</param>
public sealed record LastYearFields(string Before, string After);

/// <summary>What the campaign is for: an event that customers are to have, or a number of theirs that is to change.</summary>
public sealed record Goal
{
    /// <summary>The bank's own, and that of an amount that names none.</summary>
    public const string BankCurrency = "CNY";

    /// <summary>SQL: whether an event <c>e</c> of the goal's name is the goal's, given its <c>@AtLeast</c>,
    /// <c>@Currency</c> and <c>@Where</c>.</summary>
    internal static readonly string Matches = Matching("@AtLeast", "@Currency", "@Where");

    /// <summary>Name of the event that is a conversion; null where the goal is a field.</summary>
    public string? Event { get; init; }

    /// <summary>ISO 4217: the amounts that are added up as the goal's value; an event in another currency counts, and its
    /// amount does not. Null for <see cref="BankCurrency"/>.</summary>
    public string? Currency { get; init; }

    /// <summary>Only events with all these attributes: texts, numbers and booleans, at most 10.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Where { get; init; }

    /// <summary>Only events of this amount or more, in the goal's currency.</summary>
    public decimal? AtLeast { get; init; }

    /// <summary>A number of the field catalogue, such as assets or log-ins of the month: looked up for both arms when the run
    /// is planned and again at the window's end. Null where the goal is an event.</summary>
    public string? Field { get; init; }

    /// <summary>Shown beside the change of <see cref="Field"/>: how it changed in the same period last year. Null for nothing
    /// beside it, and where the goal is an event.</summary>
    public LastYearFields? LastYear { get; init; }

    /// <summary>Counted in [start, start + window), start being the opening of the planned send window; at most 180 days.
    /// </summary>
    public required TimeSpan Window { get; init; }

    /// <summary>Whether a customer converts once at the most, or with every event.</summary>
    public bool EveryTime { get; init; }

    /// <summary>Customers of both arms together at which the confidence sequence, by which the lift may be looked at early,
    /// is tightest (N*): 100 to 1,000,000,000. It is approved with the campaign, and a run keeps it. Null for 5,000, and
    /// where the goal is a field.</summary>
    public int? SequenceCustomers { get; init; }

    /// <summary>Whether the goal sells something; then the purpose is marketing.</summary>
    public bool Sale { get; init; } = true;

    /// <summary><see cref="Matches"/>, the goal being given by other names. What takes an event back is none itself,
    /// whatever its name.</summary>
    internal static string Matching(string atLeast, string currency, string where) =>
        $"""
            NOT {EventNames.TakesBack}
            AND ({atLeast}::numeric IS NULL
                OR e.amount >= {atLeast} AND coalesce(e.currency, '{BankCurrency}') = {currency})
            AND ({where}::jsonb IS NULL OR e.attributes @> {where}::jsonb)
            """;

    internal string ValueCurrency => Currency ?? BankCurrency;

    /// <summary><see cref="SequenceCustomers"/>; null where the goal is a field.</summary>
    internal int? SequenceSize => Event is null ? null : SequenceCustomers ?? ConfidenceSequence.DefaultSampleSize;

    /// <summary>Of the field catalogue, every one that is looked up.</summary>
    internal string[] Numbers => [.. new[] { Field, LastYear?.Before, LastYear?.After }.OfType<string>()];

    /// <summary><see cref="Where"/> as jsonb.</summary>
    internal string? WhereText() => Where is null ? null : JsonSerializer.Serialize(Where);
}

/// <summary>One of the messages compared.</summary>
public sealed record Variant
{
    /// <summary>Unique in the campaign; at most 40 characters of <c>[a-z0-9-]</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Share, relative to the sum of all weights; 0 and more, with a sum above 0.</summary>
    public int Weight { get; init; } = 1;

    /// <summary>A template for every channel of the campaign.</summary>
    public required IReadOnlyDictionary<Channel, string> Templates { get; init; }
}

/// <summary>When touches may go: every bound narrows the others.</summary>
public sealed record Schedule
{
    /// <summary>First day, in the customer's zone.</summary>
    public required DateOnly From { get; init; }

    /// <summary>Last day, included.</summary>
    public required DateOnly To { get; init; }
    public required IReadOnlyList<SendWindow> Windows { get; init; }

    /// <summary>Working calendar, and which of its days; null for every day.</summary>
    public string? Calendar { get; init; }
    public DayKind Days { get; init; } = DayKind.Any;
}
