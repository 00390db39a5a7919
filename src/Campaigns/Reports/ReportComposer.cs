using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Planning;
using Campaigns.Receipts;
using Campaigns.Statistics;

namespace Campaigns.Reports;

/// <summary>Adds up the counts of one run, and says what they show.</summary>
internal sealed class ReportComposer(
    ReportedRun run,
    RunPlan plan,
    IReadOnlyList<LedgerRow> ledger,
    IReadOnlyList<PlannedWindow> windows,
    Counts counts
)
{
    private const short Treated = 0;
    private const short Control = 1;

    private static readonly Measured NoEvent = new(Missing: MissingReason.NotAnEvent.Name());
    private static readonly PValue NoEventP = new(Missing: MissingReason.NotAnEvent.Name());

    private readonly RunPlan _plan = plan;

    public CampaignReport Compose()
    {
        var control = Arm(Control);
        var byVariant = Variants(control);
        return new CampaignReport
        {
            CampaignId = run.CampaignId,
            Name = run.Name,
            Run = run.Number,
            State = run.State,
            ComputedThrough = run.ComputedThrough,
            CountsUntil = CountsUntil(),
            Goal = ReportGoal.Of(_plan.Goal),
            Ledger = Ledger(),
            Funnel = Funnel(),
            Lift = LiftOf(Arm(Treated), control),
            ByVariant = byVariant,
            ByChannel = Channels(),
            ByWindow = Windows(),
            ByDay = Days(),
            TimeToConvert = _plan.Goal.Event is null ? null : new(ToConvert(Treated), ToConvert(Control)),
        };
    }

    private DateTimeOffset? CountsUntil() =>
        windows
            .Where(window => ledger.Any(row => row.Wave == window.Wave && row.Reason is Reason.Touch or Reason.HeldOut))
            .Max(window => (DateTimeOffset?)window.CountsFrom) + _plan.Goal.Window;

    private long Customers(Func<LedgerRow, bool> which) => ledger.Where(which).Sum(row => row.Customers);

    private (long N, decimal Amount) Sum(string metric, short arm, By? by, int[] keys) =>
        by is { } group
            ? keys.Select(key => counts.Of(metric, arm, group, key))
                .Aggregate((sum, one) => (sum.N + one.N, sum.Amount + one.Amount))
            : counts.All(metric, arm);

    private long Count(string metric, By? by = null, params int[] keys) => Sum(metric, Treated, by, keys).N;

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
            TouchesByState = States(),
        };

    /// <summary>Whoever is in no other state is still planned.</summary>
    private Dictionary<string, long> States()
    {
        var states = TouchStates.Moved.ToDictionary(state => state, state => Count($"state_{state}"));
        states["planned"] = Customers(row => row.Reason == Reason.Touch) - states.Values.Sum();
        return states
            .Where(state => state.Value != 0)
            .OrderBy(state => state.Key, StringComparer.Ordinal)
            .ToDictionary();
    }

    private FunnelStep[] Funnel() =>
        [
            new("audience", Customers(_ => true), null),
            new("planned", Customers(row => row.Reason == Reason.Touch), null),
            new("attempted", Count("attempted"), Count("attempts")),
            new("accepted", Count("accepted"), Count("acceptances")),
            new("delivered", Count("delivered"), Count("deliveries")),
            new("opened", Count("opened_customers"), Count("opened")),
            new("clicked", Count("clicked_customers"), Count("clicked")),
            .. _plan.Goal.Event is null
                ? (FunnelStep[])[]
                : [new("converted", Count("converted"), Count("conversions"))],
        ];

    /// <summary>An arm, or the part of it that has one of the keys.</summary>
    private ArmResult Arm(short arm, By? by = null, params int[] keys)
    {
        var reason = arm == Treated ? Reason.Touch : Reason.HeldOut;
        var customers = Customers(row => row.Reason == reason && Has(row, by, keys));
        var converted = Sum("converted", arm, by, keys).N;
        var (conversions, value) = Sum("conversions", arm, by, keys);
        var otherCurrency = Sum("other_currency", arm, by, keys).N;
        return ArmResult.Of(_plan.Goal, customers, converted, (conversions, value, otherCurrency));
    }

    private static bool Has(LedgerRow row, By? by, int[] keys) =>
        by switch
        {
            By.Variant => keys.Contains(row.Variant),
            By.Channel => keys.Contains(row.Channel),
            By.Wave => keys.Contains(row.Wave),
            _ => true,
        };

    private Lift LiftOf(ArmResult treated, ArmResult control)
    {
        if (_plan.Goal.SequenceSize is not { } sequenceSize)
        {
            return WithoutEvent(treated, control);
        }

        var look = ConfidenceSequence.At(treated.Arm, control.Arm, ConfidenceSequence.Rho(sequenceSize));
        var values = Means.Welch(Values(Treated, treated), Values(Control, control));
        var times = Means.Welch(Times(Treated, treated), Times(Control, control));
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
            ConversionsPerCustomer = _plan.Goal.EveryTime ? Measured.Of(times) : null,
            ConversionsPerCustomerPValue = _plan.Goal.EveryTime ? PValue.Of(times) : null,
            ValuePerCustomer = Measured.Of(values),
            IncrementalValue = Measured.Of(Map(values, one => one.Difference.Scaled(treated.Customers))),
            SampleRatio = SampleRatioOf(control.Customers),
        };
    }

    private Lift WithoutEvent(ArmResult treated, ArmResult control) =>
        new()
        {
            Treated = treated,
            Control = control,
            Difference = NoEvent,
            Relative = NoEvent,
            IncrementalConversions = NoEvent,
            PValue = NoEventP,
            Sequence = NoEvent,
            SequencePValue = NoEventP,
            ValuePerCustomer = NoEvent,
            IncrementalValue = NoEvent,
            SampleRatio = SampleRatioOf(control.Customers),
        };

    private Moments Values(short arm, ArmResult result) =>
        result.Customers == 0
            ? default
            : new(
                result.Customers,
                (double)(result.Value / result.Customers),
                counts.Variance(Counts.ValueVariance, arm)
            );

    private Moments Times(short arm, ArmResult result) =>
        result.Customers == 0
            ? default
            : new(
                result.Customers,
                (double)result.Conversions / result.Customers,
                counts.Variance(Counts.ConversionsVariance, arm)
            );

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
        return new(check.Value?.IsMismatch ?? false, check.Value?.PValue, check.Reason?.Name());
    }

    private VariantLift[] Variants(ArmResult control)
    {
        var compared = _plan
            .Variants.Select(variant =>
            {
                var treated = Arm(Treated, By.Variant, variant.Number);
                return (variant.Name, variant.Number, treated, p: Proportions.PValue(treated.Arm, control.Arm));
            })
            .ToList();
        var adjusted = PValue.Holm([.. compared.Select(one => PValue.Of(one.p))]);
        return
        [
            .. compared.Select(
                (one, index) =>
                    new VariantLift(
                        one.Name,
                        Sent(one.treated, By.Variant, one.Number),
                        one.treated,
                        OfEvent(Proportions.Newcombe(one.treated.Arm, control.Arm)),
                        _plan.Goal.Event is null ? NoEventP : PValue.Of(one.p),
                        _plan.Goal.Event is null ? NoEventP : adjusted[index]
                    )
            ),
        ];
    }

    private Measured OfEvent(Figure<Estimate> figure) => _plan.Goal.Event is null ? NoEvent : Measured.Of(figure);

    private ChannelResult[] Channels() =>
        [
            .. _plan.Channels.Select(channel =>
            {
                var treated = Arm(Treated, By.Channel, (short)channel);
                var control = Arm(Control, By.Channel, (short)channel);
                return new ChannelResult(
                    channel,
                    Sent(treated, By.Channel, (short)channel),
                    treated,
                    control,
                    OfEvent(Proportions.Newcombe(treated.Arm, control.Arm))
                );
            }),
        ];

    /// <summary>Waves that roll differently may have the same window.</summary>
    private WindowResult[] Windows() =>
        [
            .. windows
                .Where(window => ledger.Any(row => row.Wave == window.Wave))
                .GroupBy(window => (window.Channel, window.OpensAt, window.ClosesAt))
                .Select(window =>
                {
                    int[] waves = [.. window.Select(one => one.Wave)];
                    var treated = Arm(Treated, By.Wave, waves);
                    var control = Arm(Control, By.Wave, waves);
                    return new WindowResult(
                        window.Key.Channel,
                        window.Key.OpensAt,
                        window.Key.ClosesAt,
                        Sent(treated, By.Wave, waves),
                        treated,
                        control,
                        OfEvent(Proportions.Newcombe(treated.Arm, control.Arm))
                    )
                    {
                        MassSends = MassSendCounts.Sum([
                            .. window.Select(one => one.MassSends).OfType<MassSendCounts>(),
                        ]),
                    };
                }),
        ];

    private SendCounts Sent(ArmResult treated, By by, params int[] keys) =>
        new(
            treated.Customers,
            Count("attempted", by, keys),
            Count("accepted", by, keys),
            Count("delivered", by, keys),
            Count("opened_customers", by, keys),
            Count("clicked_customers", by, keys)
        );

    private DayResult[] Days()
    {
        var attempted = ByDay("attempted", Treated);
        var (treated, control) = (ByDay("converted", Treated), ByDay("converted", Control));
        var (conversions, controls) = (ByDay("conversions", Treated), ByDay("conversions", Control));
        Dictionary<DateOnly, long>[] all = [attempted, treated, control, conversions, controls];
        var days = all.SelectMany(one => one.Keys).ToList();
        if (days.Count == 0)
        {
            return [];
        }

        var first = days.Min();
        return
        [
            .. Enumerable
                .Range(0, days.Max().DayNumber - first.DayNumber + 1)
                .Select(first.AddDays)
                .Select(day => new DayResult(
                    day,
                    attempted.GetValueOrDefault(day),
                    new(treated.GetValueOrDefault(day), conversions.GetValueOrDefault(day)),
                    new(control.GetValueOrDefault(day), controls.GetValueOrDefault(day))
                )),
        ];
    }

    private DayQuantiles ToConvert(short arm)
    {
        var opened = windows.ToDictionary(window => window.Wave, window => BankDay(window.CountsFrom));
        return DayQuantiles.Of(
            counts
                .WaveDays("converted", arm)
                .Select(one => (Math.Max(0, one.Day.DayNumber - opened[one.Wave].DayNumber), one.N))
        );
    }

    private static DateOnly BankDay(DateTimeOffset at) => DateOnly.FromDateTime(TimeZones.ToLocal(TimeZones.Bank, at));

    private Dictionary<DateOnly, long> ByDay(string metric, short arm) =>
        counts.Days(metric, arm).ToDictionary(one => one.Day, one => one.N);
}
