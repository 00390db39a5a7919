using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Planning;
using Campaigns.Statistics;

namespace Campaigns.Reports;

/// <summary>Adds up the counts of one run, and says what they show.</summary>
internal sealed class ReportComposer(
    ReportedRun run,
    IReadOnlyList<LedgerRow> ledger,
    IReadOnlyList<PlannedWindow> windows,
    IReadOnlyList<Cell> cells,
    IReadOnlyList<TouchCount> states
)
{
    private const short Treated = 0;
    private const short Control = 1;

    private readonly RunPlan _plan = run.ReadPlan();

    public CampaignReport Compose()
    {
        var control = Arm(Control, _ => true, _ => true);
        var byVariant = Variants(control);
        return new CampaignReport
        {
            CampaignId = run.CampaignId,
            Name = run.Name,
            Run = run.Number,
            State = run.State,
            ComputedThrough = run.ComputedThrough,
            Goal = new(_plan.Goal.Event, _plan.Goal.Window, _plan.Goal.EveryTime),
            Ledger = Ledger(),
            Funnel = Funnel(),
            Lift = LiftOf(Arm(Treated, _ => true, _ => true), control),
            ByVariant = byVariant,
            ByChannel = Channels(),
            ByWindow = Windows(),
            ByDay = Days(),
        };
    }

    private long Customers(Func<LedgerRow, bool> which) => ledger.Where(which).Sum(row => row.Customers);

    private long Count(string metric, Func<Cell, bool>? which = null) =>
        cells.Where(cell => cell.Metric == metric && (which is null || which(cell))).Sum(cell => cell.N);

    private ReportLedger Ledger() =>
        new()
        {
            Audience = Customers(_ => true),
            HeldOut = Customers(row => row.Reason == Reason.HeldOut),
            HeldOutGlobal = Customers(row => row.Reason == Reason.HeldOutGlobal),
            Suppressed = ledger
                .Where(row => row.Kind == "suppressed")
                .GroupBy(row => row.Name)
                .ToDictionary(group => group.Key, group => group.Sum(row => row.Customers)),
            Touches = Customers(row => row.Reason == Reason.Touch),
            TouchesByChannel = ledger
                .Where(row => row.Reason == Reason.Touch)
                .GroupBy(row => (Channel)row.Channel)
                .ToDictionary(group => group.Key, group => group.Sum(row => row.Customers)),
            TouchesByState = states
                .GroupBy(state => state.State)
                .ToDictionary(group => group.Key, group => group.Sum(state => state.Count)),
        };

    private FunnelStep[] Funnel() =>
        [
            new("audience", Customers(_ => true), null),
            new("planned", Customers(row => row.Reason == Reason.Touch), null),
            new("attempted", Count("attempted"), Count("attempts")),
            new("accepted", Count("accepted"), Count("acceptances")),
            new("delivered", Count("delivered"), Count("deliveries")),
            new("opened", Count("opened_customers"), Count("opened")),
            new("clicked", Count("clicked_customers"), Count("clicked")),
            new(
                "converted",
                Count("converted", cell => cell.Arm == Treated),
                Count("conversions", cell => cell.Arm == Treated)
            ),
        ];

    private ArmResult Arm(short arm, Func<LedgerRow, bool> whom, Func<Cell, bool> which)
    {
        var reason = arm == Treated ? Reason.Touch : Reason.HeldOut;
        var customers = Customers(row => row.Reason == reason && whom(row));
        var converted = Count("converted", cell => cell.Arm == arm && which(cell));
        return new(
            customers,
            converted,
            Count("conversions", cell => cell.Arm == arm && which(cell)),
            Value("conversions", arm, which),
            customers == 0 ? null : (double)converted / customers
        );
    }

    private decimal Value(string metric, short arm, Func<Cell, bool> which) =>
        cells.Where(cell => cell.Metric == metric && cell.Arm == arm && which(cell)).Sum(cell => cell.Amount);

    private Lift LiftOf(ArmResult treated, ArmResult control)
    {
        var look = ConfidenceSequence.At(treated.Arm, control.Arm, ConfidenceSequence.Rho());
        var welch = Means.Welch(Moments(Treated, treated), Moments(Control, control));
        return new Lift
        {
            Treated = treated,
            Control = control,
            Difference = Measured.Of(Proportions.Newcombe(treated.Arm, control.Arm)),
            Relative = Measured.Of(Proportions.RelativeLift(treated.Arm, control.Arm)),
            IncrementalConversions = Measured.Of(Proportions.Incremental(treated.Arm, control.Arm)),
            PValue = PValue.Of(Proportions.PValue(treated.Arm, control.Arm)),
            Sequence = Measured.Of(Map(look, one => one.Difference)),
            SequencePValue = PValue.Of(Map(look, one => one.PValue)),
            ValuePerCustomer = Measured.Of(Map(welch, one => one.Difference)),
            SampleRatio = SampleRatioOf(control.Customers),
        };
    }

    private Moments Moments(short arm, ArmResult result) =>
        Statistics.Moments.FromSums(result.Customers, (double)result.Value, (double)Value("converted", arm, _ => true));

    private static Figure<TTo> Map<TFrom, TTo>(Figure<TFrom> figure, Func<TFrom, TTo> map)
        where TFrom : struct
        where TTo : struct => figure.Value is { } value ? map(value) : figure.Reason!.Value;

    /// <summary>The control arm and each variant, against the holdout's share and the variants' weights.</summary>
    private SampleRatioCheck SampleRatioOf(long heldOut)
    {
        var bounds = _plan.Variants.Select(variant => variant.UpTo).Prepend(0).ToArray();
        var weights = _plan.Variants.Select((variant, index) => variant.UpTo - bounds[index]);
        double held = _plan.HoldoutBuckets;
        var planned = weights.Select(weight => (10_000 - held) * weight / 10_000).Prepend(held).ToArray();
        var observed = _plan
            .Variants.Select(variant => Customers(row => row.Reason == Reason.Touch && row.Variant == variant.Number))
            .Prepend(heldOut)
            .ToArray();
        var check = SampleRatio.Check(observed, planned);
        return new(check.Value?.IsMismatch ?? false, PValue.Of(Map(check, one => one.PValue)));
    }

    private VariantLift[] Variants(ArmResult control)
    {
        var compared = _plan
            .Variants.Select(variant =>
            {
                var treated = Arm(
                    Treated,
                    row => row.Variant == variant.Number,
                    cell => cell.Variant == variant.Number
                );
                return (variant.Name, treated, p: Proportions.PValue(treated.Arm, control.Arm));
            })
            .ToList();
        var family = compared.Where(one => one.p.Value is not null).Select(one => one.p.Value!.Value).ToList();
        var adjusted = new Queue<double>(MultipleComparisons.Holm(family));
        return
        [
            .. compared.Select(one => new VariantLift(
                one.Name,
                one.treated,
                Measured.Of(Proportions.Newcombe(one.treated.Arm, control.Arm)),
                PValue.Of(one.p),
                one.p.Value is null ? PValue.Of(one.p) : new PValue(adjusted.Dequeue(), null)
            )),
        ];
    }

    private ChannelResult[] Channels() =>
        [
            .. _plan.Channels.Select(channel =>
            {
                var (treated, control) = Arms(
                    row => row.Channel == (short)channel,
                    cell => cell.Channel == (short)channel
                );
                return new ChannelResult(
                    channel,
                    Sent(row => row.Channel == (short)channel, cell => cell.Channel == (short)channel),
                    treated,
                    control,
                    Measured.Of(Proportions.Newcombe(treated.Arm, control.Arm))
                );
            }),
        ];

    private WindowResult[] Windows() =>
        [
            .. windows
                .Where(window => ledger.Any(row => row.Wave == window.Wave))
                .Select(window =>
                {
                    var (treated, control) = Arms(row => row.Wave == window.Wave, cell => cell.Wave == window.Wave);
                    return new WindowResult(
                        window.Channel,
                        window.OpensAt,
                        window.ClosesAt,
                        Sent(row => row.Wave == window.Wave, cell => cell.Wave == window.Wave),
                        treated,
                        control
                    );
                }),
        ];

    private (ArmResult Treated, ArmResult Control) Arms(Func<LedgerRow, bool> whom, Func<Cell, bool> which) =>
        (Arm(Treated, whom, which), Arm(Control, whom, which));

    private SendCounts Sent(Func<LedgerRow, bool> whom, Func<Cell, bool> which) =>
        new(
            Customers(row => row.Reason == Reason.Touch && whom(row)),
            Count("attempted", which),
            Count("accepted", which),
            Count("delivered", which),
            Count("opened_customers", which),
            Count("clicked_customers", which)
        );

    private DayResult[] Days()
    {
        var shown = cells.Where(cell => cell.Metric is "attempted" or "converted" or "conversions").ToList();
        if (shown.Count == 0)
        {
            return [];
        }

        var first = shown.Min(cell => cell.Day);
        var count = shown.Max(cell => cell.Day).DayNumber - first.DayNumber + 1;
        var sums = shown
            .GroupBy(cell => (cell.Metric, cell.Arm, cell.Day))
            .ToDictionary(group => group.Key, group => group.Sum(cell => cell.N));
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(first.AddDays)
                .Select(day => new DayResult(
                    day,
                    Sum("attempted", Treated, day),
                    Sum("converted", Treated, day),
                    Sum("converted", Control, day),
                    Sum("conversions", Treated, day),
                    Sum("conversions", Control, day)
                )),
        ];

        long Sum(string metric, short arm, DateOnly day) => sums.GetValueOrDefault((metric, arm, day));
    }
}
