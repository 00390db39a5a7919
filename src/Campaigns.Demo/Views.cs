using System.Text.Json.Serialization;

namespace Campaigns.Demo;

/// <summary>A campaign, as far as it is read here.</summary>
internal sealed record CampaignView(int Version, string State);

/// <summary>What a batch came to.</summary>
internal sealed record BatchView(int Created, int Updated, int Unchanged, int Refused);

/// <summary>Long work, as far as it is read here.</summary>
internal sealed record OperationView<T>(
    string Id,
    string State,
    long Done,
    long? Total,
    T? Result,
    FailureView? Failure
)
    where T : class;

/// <summary>What came of an import.</summary>
internal sealed record ImportView(long ErrorCount, IReadOnlyList<RowErrorView> Errors);

/// <summary>A row that was refused.</summary>
internal sealed record RowErrorView(long Line, string? Column, string Reason);

/// <summary>Why long work failed.</summary>
internal sealed record FailureView(string Type, string Detail);

/// <summary>A preview, as far as it is read here.</summary>
internal sealed record PreviewView(LedgerView Ledger);

/// <summary>A run, as far as it is read here.</summary>
internal sealed record RunView(
    string State,
    int Parts,
    int PartsPlanned,
    string? Failure,
    LedgerView? Ledger,
    IReadOnlyList<LineView> Timetable
);

/// <summary>A line of the timetable.</summary>
internal sealed record LineView(
    string Channel,
    DateTimeOffset Opens,
    DateTimeOffset Closes,
    long Touches,
    long HeldOut,
    long Waiting,
    long Due
);

/// <summary>Where everyone of the audience went.</summary>
internal sealed record LedgerView
{
    public long Audience { get; init; }
    public long Touches { get; init; }
    public long HeldOut { get; init; }
    public IReadOnlyDictionary<string, long> Suppressed { get; init; } = new Dictionary<string, long>();
    public IReadOnlyDictionary<string, long> TouchesByChannel { get; init; } = new Dictionary<string, long>();
    public IReadOnlyDictionary<string, long> TouchesByState { get; init; } = new Dictionary<string, long>();
}

/// <summary>The report, as far as it is shown here.</summary>
internal sealed record ReportView(
    string State,
    DateTimeOffset ComputedThrough,
    LedgerView Ledger,
    IReadOnlyList<StepView> Funnel,
    LiftView Lift
);

/// <summary>A step of the funnel.</summary>
internal sealed record StepView(string Metric, long Unique, long? Total);

/// <summary>The treated arm against the holdout.</summary>
internal sealed record LiftView(
    ArmView Treated,
    ArmView Control,
    FigureView Difference,
    FigureView Relative,
    FigureView IncrementalConversions
);

/// <summary>One arm.</summary>
internal sealed record ArmView(long Customers, long Converted, long Conversions, double? Rate);

/// <summary>A figure with its interval, or why there is none.</summary>
internal sealed record FigureView(double? Value, double? Low, double? High, string? Missing);

/// <summary>A link that opens without a key.</summary>
internal sealed record LinkView(string Url, DateTimeOffset ExpiresAt);

/// <summary>What <c>--json</c> writes.</summary>
internal sealed record Figures(
    string Engine,
    long Audience,
    long HeldOut,
    IReadOnlyDictionary<string, long> Suppressed,
    long Touches,
    IReadOnlyDictionary<string, long> TouchesByChannel,
    IReadOnlyDictionary<string, long> TouchesByState,
    long Conversions,
    Interval Lift,
    double TrueLift,
    IReadOnlyDictionary<string, double> Seconds
);

/// <summary>Of the lift, in conversions a customer; null where one arm is empty.</summary>
internal sealed record Interval(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? Value,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? Low,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? High
);
