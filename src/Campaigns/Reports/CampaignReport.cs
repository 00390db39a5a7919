using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Receipts;
using Campaigns.Statistics;

namespace Campaigns.Reports;

/// <summary>What came of one run of a campaign. Every metric is defined in <see cref="Metrics"/>.</summary>
public sealed record CampaignReport
{
    public required string CampaignId { get; init; }

    /// <summary>For people; the campaign's name in the version that ran.</summary>
    public required string Name { get; init; }

    /// <summary>Number of the run, from 1.</summary>
    public required int Run { get; init; }

    /// <summary><c>planned</c> (touches are still to go) or <c>closed</c>, <c>cancelled</c>.</summary>
    public required string State { get; init; }

    /// <summary>Business time up to which everything that had been stored is counted. What was just being stored then may be
    /// counted by the next report only.</summary>
    public required DateTimeOffset ComputedThrough { get; init; }

    /// <summary>When the last customer's goal window ends, excluded: conversions count until then. Null with nobody in either
    /// arm.</summary>
    public DateTimeOffset? CountsUntil { get; init; }
    public required ReportGoal Goal { get; init; }
    public required ReportLedger Ledger { get; init; }

    /// <summary>From audience to converted, in this order.</summary>
    public required IReadOnlyList<FunnelStep> Funnel { get; init; }
    public required Lift Lift { get; init; }

    /// <summary>Null where the goal is an event.</summary>
    public NumberChange? Number { get; init; }

    /// <summary>Null where the goal is a number.</summary>
    public TimeToConvert? TimeToConvert { get; init; }

    /// <summary>Null where it was not asked for.</summary>
    public Attribution? Attribution { get; init; }

    /// <summary>Null where it was not asked for, and where the goal is a number: nobody converts.</summary>
    public NotCausal? NotCausal { get; init; }

    /// <summary>In the order of the campaign's segments; null where it was not asked for.</summary>
    public IReadOnlyList<SegmentResult>? BySegment { get; init; }

    /// <summary>Each variant against the same control arm; p-values adjusted by Holm.</summary>
    public required IReadOnlyList<VariantLift> ByVariant { get; init; }

    /// <summary>By the channel that was planned.</summary>
    public required IReadOnlyList<ChannelResult> ByChannel { get; init; }

    /// <summary>The timetable: by the send window that was planned, in order of opening.</summary>
    public required IReadOnlyList<WindowResult> ByWindow { get; init; }

    /// <summary>By day of the bank's zone, from the first to the last on which anything happened, days without included.
    /// </summary>
    public required IReadOnlyList<DayResult> ByDay { get; init; }

    /// <summary>Whether no touch is still to go and every goal window has ended. Before that, whoever reads the lift looks
    /// early: then the sequence holds, and the fixed interval does not.</summary>
    internal bool IsOver => State != "planned" && (CountsUntil is not { } end || ComputedThrough >= end);
}

/// <summary>What the campaign was for: the event that is a conversion, or the number that was to change.</summary>
/// <param name="Window">Counted from the opening of a customer's planned send window, end excluded.</param>
/// <param name="Where"><inheritdoc cref="Goal.Where"/></param>
/// <param name="AtLeast"><inheritdoc cref="Goal.AtLeast"/></param>
/// <param name="Currency">In which values are added up; null where the goal is a field.</param>
public sealed record ReportGoal(
    string? Event,
    TimeSpan Window,
    bool EveryTime,
    string? Field = null,
    IReadOnlyDictionary<string, JsonElement>? Where = null,
    decimal? AtLeast = null,
    string? Currency = null
)
{
    /// <summary>Customers of both arms together at which the confidence sequence is tightest (N*), as it was when the run
    /// was launched; null where the goal is a field.</summary>
    public int? SequenceCustomers { get; init; }

    internal static ReportGoal Of(Goal goal) =>
        new(
            goal.Event,
            goal.Window,
            goal.EveryTime,
            goal.Field,
            goal.Where,
            goal.AtLeast,
            goal.Event is null ? null : goal.ValueCurrency
        )
        {
            SequenceCustomers = goal.SequenceSize,
        };
}

/// <summary>What planning decided: audience = touches + held out + suppressed.</summary>
public sealed record ReportLedger
{
    public required long Audience { get; init; }

    /// <summary>By this campaign's holdout: the control arm.</summary>
    public required long HeldOut { get; init; }

    /// <summary>By the bank-wide holdout: in neither arm.</summary>
    public required long HeldOutGlobal { get; init; }

    /// <summary>By reason, in the order of the gates; reasons that met nobody are left out.</summary>
    public required IReadOnlyDictionary<string, long> Suppressed { get; init; }
    public required long Touches { get; init; }
    public required IReadOnlyDictionary<Channel, long> TouchesByChannel { get; init; }

    /// <summary>Where each touch stands now; they add up to the touches.</summary>
    public required IReadOnlyDictionary<string, long> TouchesByState { get; init; }
}

/// <summary>A step of the funnel.</summary>
/// <param name="Metric">Its name in <see cref="Metrics"/>.</param>
/// <param name="Unique">Customers.</param>
/// <param name="Total">Times: attempts, openings, conversions; null where it is the same by definition.</param>
public sealed record FunnelStep(string Metric, long Unique, long? Total = null);

/// <summary>Everyone assigned to an arm at planning, delivered or not, and those of them who converted.</summary>
/// <param name="Conversions">Where every event counts, more than customers.</param>
/// <param name="Rate">Converted over customers; null with nobody in the arm.</param>
/// <param name="Value">Sum of the conversions' amounts that are in the goal's currency.</param>
public sealed record ArmResult(long Customers, long Converted, long Conversions, decimal Value, double? Rate = null)
{
    /// <summary>Conversions whose amount is in another currency: it is not in the value.</summary>
    public long OtherCurrency { get; init; }

    /// <summary>Conversions over customers; null with nobody in the arm, and where a customer converts once at the most.
    /// </summary>
    public double? MeanConversions { get; init; }

    internal Arm Arm => new(Converted, Customers);

    internal static ArmResult Of(
        Goal goal,
        long customers,
        long converted,
        (long N, decimal Value, long OtherCurrency) conversions
    ) =>
        new(
            customers,
            converted,
            conversions.N,
            conversions.Value,
            customers == 0 || goal.Event is null ? null : (double)converted / customers
        )
        {
            OtherCurrency = conversions.OtherCurrency,
            MeanConversions = customers == 0 || !goal.EveryTime ? null : (double)conversions.N / customers,
        };
}

/// <summary>A figure with its 95 % interval, or the reason why there is none.</summary>
/// <param name="Missing">Such as <c>noHoldout</c>; null where there is a value.</param>
public sealed record Measured(double? Value = null, double? Low = null, double? High = null, string? Missing = null)
{
    /// <summary>The value, where a double may not have all of its digits.</summary>
    internal decimal? Exact { get; init; }

    internal static Measured Of(Figure<Estimate> figure) =>
        figure.Value is { } estimate
            ? new(estimate.Value, estimate.Low, estimate.High, null)
            : new(null, null, null, figure.Reason!.Value.Name());

    internal static Measured Of(Figure<MeanDifference> figure) =>
        figure.Value is { Difference: var estimate }
            ? new(estimate.Value, estimate.Low, estimate.High, null)
            : new(null, null, null, figure.Reason!.Value.Name());
}

/// <summary>A p-value, or the reason why there is none.</summary>
public sealed record PValue(double? Value = null, string? Missing = null)
{
    internal static PValue Of(Figure<double> figure) => new(figure.Value, figure.Reason?.Name());

    internal static PValue Of(Figure<MeanDifference> figure) => new(figure.Value?.PValue, figure.Reason?.Name());

    /// <summary>Each adjusted over those that have a value, in the order given.</summary>
    internal static IReadOnlyList<PValue> Holm(IReadOnlyList<PValue> family)
    {
        var adjusted = new Queue<double>(MultipleComparisons.Holm([.. family.Select(p => p.Value).OfType<double>()]));
        return [.. family.Select(p => p.Value is null ? p : new PValue(adjusted.Dequeue()))];
    }
}

/// <summary>The treated arm against the holdout, by one rule for both and without attribution.</summary>
public sealed record Lift
{
    public required ArmResult Treated { get; init; }
    public required ArmResult Control { get; init; }

    /// <summary>Difference of the conversion rates, Newcombe's interval: 0.01 is one more in a hundred.</summary>
    public required Measured Difference { get; init; }

    /// <summary>Treated rate over control rate less 1, Katz's interval.</summary>
    public required Measured Relative { get; init; }

    /// <summary>Conversions that there would not have been.</summary>
    public required Measured IncrementalConversions { get; init; }

    /// <summary>Of no difference, two-sided.</summary>
    public required PValue PValue { get; init; }

    /// <summary>The difference for those who look before the end: its interval holds over all looks.</summary>
    public required Measured Sequence { get; init; }

    /// <summary>Valid at every look.</summary>
    public required PValue SequencePValue { get; init; }

    /// <summary>Conversions per customer, treated less control (Welch); null where a customer converts once at the most: that is
    /// the difference of the rates.</summary>
    public Measured? ConversionsPerCustomer { get; init; }

    /// <summary>Of no difference of the conversions per customer, two-sided; null as that is.</summary>
    public PValue? ConversionsPerCustomerPValue { get; init; }

    /// <summary>Value per customer, treated less control (Welch).</summary>
    public required Measured ValuePerCustomer { get; init; }

    /// <summary>Value that there would not have been, in the goal's currency.</summary>
    public required Measured IncrementalValue { get; init; }
    public required SampleRatioCheck SampleRatio { get; init; }
}

/// <summary>Whether the arms are as large as planned.</summary>
/// <param name="Alarm">Do not trust: the arms are not what was planned.</param>
/// <param name="Value">A p-value: below 0.001 is an alarm.</param>
/// <param name="Missing">Why there is none.</param>
public sealed record SampleRatioCheck(bool Alarm, double? Value = null, string? Missing = null);

/// <summary>A variant against the control arm.</summary>
/// <param name="AdjustedPValue">By Holm, over the variants.</param>
public sealed record VariantLift(
    string Variant,
    SendCounts Sent,
    ArmResult Treated,
    Measured Difference,
    PValue PValue,
    PValue AdjustedPValue
);

/// <summary>Touches of a planned channel, and its held-out customers.</summary>
public sealed record ChannelResult(
    Channel Channel,
    SendCounts Sent,
    ArmResult Treated,
    ArmResult Control,
    Measured Difference
);

/// <summary>Touches of a planned send window, and its held-out customers.</summary>
/// <param name="OpensAt">Moved with the run.</param>
public sealed record WindowResult(
    Channel Channel,
    DateTimeOffset OpensAt,
    DateTimeOffset ClosesAt,
    SendCounts Sent,
    ArmResult Treated,
    ArmResult Control,
    Measured Difference
)
{
    /// <summary>What the provider counted of the mass sends of its touches; null until it has.</summary>
    public MassSendCounts? MassSends { get; init; }
}

/// <summary>Customers, each once a metric.</summary>
public sealed record SendCounts(long Touches, long Attempted, long Accepted, long Delivered, long Opened, long Clicked);

/// <summary>A day.</summary>
/// <param name="Attempted">Customers whose first attempt was then.</param>
public sealed record DayResult(DateOnly Day, long Attempted, DayArm Treated, DayArm Control);

/// <summary>An arm on a day.</summary>
/// <param name="Converted">Customers whose first conversion was then.</param>
/// <param name="Conversions">All of the day.</param>
public sealed record DayArm(long Converted, long Conversions);

/// <summary>How long those who converted took to their first conversion.</summary>
public sealed record TimeToConvert(DayQuantiles Treated, DayQuantiles Control);

/// <summary>In whole days of the bank's zone from the day on which the customer's window opened: 0 is the same day. As many
/// of those who converted had done so by then; null where nobody has.</summary>
/// <param name="DaysToHalf">The median.</param>
public sealed record DayQuantiles(
    int? DaysToQuarter = null,
    int? DaysToHalf = null,
    int? DaysToThreeQuarters = null,
    int? DaysToNineTenths = null
)
{
    /// <param name="days">Customers by the number of days.</param>
    internal static DayQuantiles Of(IEnumerable<(int Days, long Customers)> days)
    {
        var sorted = days.Where(one => one.Customers > 0).OrderBy(one => one.Days).ToList();
        var all = sorted.Sum(one => one.Customers);
        int? At(double share)
        {
            var sum = 0L;
            return all == 0 ? null : sorted.First(one => (sum += one.Customers) >= share * all).Days;
        }

        return new(At(0.25), At(0.5), At(0.75), At(0.9));
    }
}

/// <summary>Comparisons that prove nothing: who takes part differs from who does not before anything is sent, and periods
/// differ by more than a campaign. Only <see cref="Lift"/> says what came of it.</summary>
/// <param name="Participating">Customers of the treated arm who opened or clicked.</param>
/// <param name="NotParticipating">The others of the treated arm.</param>
/// <param name="PeriodBefore">Both arms, in as long a time before each customer's window as the goal counts. Without whoever
/// was erased since: her events are gone.</param>
/// <param name="ThisPeriod">The same customers, in their windows.</param>
public sealed record NotCausal(
    GroupResult Participating,
    GroupResult NotParticipating,
    GroupResult PeriodBefore,
    GroupResult ThisPeriod
);

/// <summary>Customers who were not assigned to be compared.</summary>
/// <param name="Converted">Who had the goal's event.</param>
/// <param name="Rate">Converted over customers; null with nobody.</param>
public sealed record GroupResult(long Customers, long Converted, double? Rate = null)
{
    internal static GroupResult Of(long customers, long converted) =>
        new(customers, converted, customers == 0 ? null : (double)converted / customers);
}

/// <summary>Conversions of the treated arm that a rule gives to this run. No comparison is made of it: it says who was there,
/// not what would have been without.</summary>
public sealed record Attribution(AttributionModel Model, long AttributedConversions);

/// <summary>Which of the runs that a conversion counts for, and that had tried to reach the customer before it, has
/// it.</summary>
public enum AttributionModel
{
    /// <summary>The last to try.</summary>
    Last,

    /// <summary>The first to try.</summary>
    First,

    /// <summary>Each of them.</summary>
    All,
}
