using System.Globalization;
using Campaigns.Json;
using Campaigns.Planning;
using Campaigns.Receipts;
using static Campaigns.Reports.ReportCell;

namespace Campaigns.Reports;

/// <summary>The page's tables.</summary>
internal static class ReportTables
{
    private const string Points = "+0.00;−0.00;0.00";
    private const string Percents = "+0.0' %';−0.0' %';0.0' %'";
    private const string Whole = "+#,0;−#,0;0";
    private const string Fine = "+#,0.0000;−#,0.0000;0.0000";

    private static readonly string[] Times = ["conversions", "meanConversions"];

    public static string Lift(Lift lift, ReportWords words) =>
        Table(
            words,
            ["arm", "customers", "converted", "rate", .. lift.ConversionsPerCustomer is null ? (string[])[] : Times],
            [
                [
                    .. Arm("lift.treated", words["treated"], lift.Treated),
                    .. EachTime("lift.treated", lift, lift.Treated),
                ],
                [
                    .. Arm("lift.control", words["control"], lift.Control),
                    .. EachTime("lift.control", lift, lift.Control),
                ],
            ]
        )
        + Table(
            words,
            ["metric", "value", "interval"],
            [
                Figure("lift.difference", "difference", lift.Difference, words, 100, Points),
                Figure("lift.relative", "relative", lift.Relative, words, 100, Percents),
                Figure("lift.incrementalConversions", "incremental", lift.IncrementalConversions, words, 1, Whole),
                Figure("lift.sequence", "sequence", lift.Sequence, words, 100, Points),
                .. lift.ConversionsPerCustomer is { } times
                    ? (ReportCell[][])[Figure("lift.conversionsPerCustomer", "conversionsPer", times, words, 1, Fine)]
                    : [],
                Figure("lift.valuePerCustomer", "valuePer", lift.ValuePerCustomer, words, 1, Signed),
                Figure("lift.incrementalValue", "incrementalValue", lift.IncrementalValue, words, 1, Signed),
                P("lift.pValue", "pValue", lift.PValue, words),
                P("lift.sequencePValue", "sequenceP", lift.SequencePValue, words),
                .. lift.ConversionsPerCustomerPValue is { } p
                    ? (ReportCell[][])[P("lift.conversionsPerCustomerPValue", "conversionsPerP", p, words)]
                    : [],
            ]
        );

    public static string Number(NumberChange number, ReportWords words) =>
        Table(
            words,
            ["arm", "lookedUp", "withoutValue", "meanBefore", "meanChange"],
            [
                Change("number.treated", words["treated"], number.Treated),
                Change("number.control", words["control"], number.Control),
                .. number.ByVariant.Select(
                    (one, i) => Change($"number.byVariant.{i}.treated", one.Variant, one.Treated)
                ),
            ]
        )
        + Table(
            words,
            ["metric", "value", "interval"],
            [
                Figure("number.change", "change", number.Change, words, 1, Signed),
                Figure("number.cuped", "cuped", number.Cuped, words, 1, Signed),
                P("number.changePValue", "changeP", number.ChangePValue, words),
                P("number.cupedPValue", "cupedP", number.CupedPValue, words),
            ]
        );

    /// <summary>This year's change beside last year's.</summary>
    public static string LastYear(NumberChange number, LastYearChange lastYear, ReportWords words) =>
        Table(
            words,
            ["arm", "meanChange", "withLastYear", "meanChangeLastYear"],
            [
                Beside("treated", number.Treated, lastYear.Treated, words),
                Beside("control", number.Control, lastYear.Control, words),
            ]
        );

    public static string TimeToConvert(TimeToConvert time, ReportWords words) =>
        Table(
            words,
            ["arm", "daysToQuarter", "daysToHalf", "daysToThreeQuarters", "daysToNineTenths"],
            [
                Quantiles("timeToConvert.treated", words["treated"], time.Treated),
                Quantiles("timeToConvert.control", words["control"], time.Control),
            ]
        );

    public static string NotCausal(NotCausal groups, ReportWords words) =>
        Table(
            words,
            ["group", "customers", "converted", "rate"],
            [
                Group("participating", groups.Participating, words),
                Group("notParticipating", groups.NotParticipating, words),
                Group("periodBefore", groups.PeriodBefore, words),
                Group("thisPeriod", groups.ThisPeriod, words),
            ]
        );

    public static string Funnel(CampaignReport report, ReportWords words) =>
        Table(
            words,
            ["metric", "unique", "ofPlanned", "total"],
            report.Funnel.Select(
                (step, i) =>
                    (ReportCell[])
                        [
                            Of(words[step.Metric]),
                            Count($"funnel.{i}.unique", step.Unique),
                            step.Metric == "audience"
                                ? Of("–")
                                : Share($"funnel.{i}.unique", step.Unique, "ledger.touches", report.Ledger.Touches),
                            Count($"funnel.{i}.total", step.Total),
                        ]
            )
        );

    public static string Days(CampaignReport report, ReportWords words) =>
        Table(
            words,
            ["day", "attempted", "treated", "control"],
            report.ByDay.Select(
                (day, i) =>
                    (ReportCell[])
                        [
                            Of(day.Day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)),
                            Count($"byDay.{i}.attempted", day.Attempted),
                            Count($"byDay.{i}.treated.converted", day.Treated.Converted),
                            Count($"byDay.{i}.control.converted", day.Control.Converted),
                        ]
            )
        );

    /// <summary>With what the provider counted of mass sends, where it has counted any.</summary>
    public static string Timetable(CampaignReport report, ReportWords words)
    {
        var counted = report.ByWindow.Any(window => window.MassSends is not null);
        string[] columns =
        [
            "window",
            "channel",
            "touches",
            "attempted",
            "heldOut",
            "converted",
            "differenceAndInterval",
        ];
        return Table(
            words,
            [.. columns, .. counted ? (string[])["sentTo", "notSent"] : []],
            report.ByWindow.Select(
                (window, i) =>
                    (ReportCell[])
                        [
                            Of(ReportCharts.Hour(window)),
                            Of(words[ProductJson.NameOf(window.Channel)]),
                            Count($"byWindow.{i}.sent.touches", window.Sent.Touches),
                            Count($"byWindow.{i}.sent.attempted", window.Sent.Attempted),
                            Count($"byWindow.{i}.control.customers", window.Control.Customers),
                            Count($"byWindow.{i}.treated.converted", window.Treated.Converted),
                            Both($"byWindow.{i}.difference", window.Difference, words, 100, Points),
                            .. counted ? Mass($"byWindow.{i}.massSends", window.MassSends) : [],
                        ]
            )
        );
    }

    private static ReportCell[] Mass(string path, MassSendCounts? sent) =>
        sent is null
            ? [Of("–"), Of("–")]
            : [Count(path + ".sentTo", sent.SentTo), Count(path + ".notSent", sent.NotSent)];

    public static string Ledger(ReportLedger ledger, ReportWords words) =>
        Table(
            words,
            ["ledger", "customers"],
            [
                [Of(words["touches"]), Count("ledger.touches", ledger.Touches)],
                [Of(words["heldOut"]), Count("ledger.heldOut", ledger.HeldOut)],
                [Of(words["heldOutGlobal"]), Count("ledger.heldOutGlobal", ledger.HeldOutGlobal)],
                .. ledger.Suppressed.Select(one =>
                    (ReportCell[])
                        [
                            Of($"{words["suppressed"]}: {words[one.Key]}"),
                            Count($"ledger.suppressed.{one.Key}", one.Value),
                        ]
                ),
                [Of(words["audience"]), Count("ledger.audience", ledger.Audience)],
            ]
        )
        + $"<h3>{ReportPage.Text(words["states"])}</h3>"
        + Table(
            words,
            ["state", "touches"],
            ledger.TouchesByState.Select(one =>
                (ReportCell[])[Of(words["now:" + one.Key]), Count($"ledger.touchesByState.{one.Key}", one.Value)]
            )
        );

    public static string Variants(CampaignReport report, ReportWords words) =>
        Table(
            words,
            ["variant", "customers", "converted", "rate", "delivered", "differenceAndInterval", "adjusted"],
            report.ByVariant.Select(
                (variant, i) =>
                    (ReportCell[])
                        [
                            .. Arm($"byVariant.{i}.treated", variant.Variant, variant.Treated),
                            Count($"byVariant.{i}.sent.delivered", variant.Sent.Delivered),
                            Both($"byVariant.{i}.difference", variant.Difference, words, 100, Points),
                            Probability($"byVariant.{i}.adjustedPValue", variant.AdjustedPValue, words),
                        ]
            )
        );

    public static string Segments(IReadOnlyList<SegmentResult> segments, ReportWords words) =>
        Table(
            words,
            ["segment", "audience", "touches", "delivered", "converted", "rate", "differenceAndInterval"],
            segments.Select(
                (segment, i) =>
                    (ReportCell[])
                        [
                            Of(segment.Segment),
                            Count($"bySegment.{i}.audience", segment.Audience),
                            Count($"bySegment.{i}.sent.touches", segment.Sent.Touches),
                            Count($"bySegment.{i}.sent.delivered", segment.Sent.Delivered),
                            Count($"bySegment.{i}.treated.converted", segment.Treated.Converted),
                            Rate($"bySegment.{i}.treated.rate", segment.Treated.Rate),
                            Both($"bySegment.{i}.difference", segment.Difference, words, 100, Points),
                        ]
            )
        );

    public static string Channels(CampaignReport report, ReportWords words) =>
        Table(
            words,
            ["channel", "touches", "attempted", "accepted", "delivered", "opened", "clicked"],
            report.ByChannel.Select(
                (channel, i) =>
                    (ReportCell[])
                        [
                            Of(words[ProductJson.NameOf(channel.Channel)]),
                            Count($"byChannel.{i}.sent.touches", channel.Sent.Touches),
                            Count($"byChannel.{i}.sent.attempted", channel.Sent.Attempted),
                            Count($"byChannel.{i}.sent.accepted", channel.Sent.Accepted),
                            Count($"byChannel.{i}.sent.delivered", channel.Sent.Delivered),
                            Count($"byChannel.{i}.sent.opened", channel.Sent.Opened),
                            Count($"byChannel.{i}.sent.clicked", channel.Sent.Clicked),
                        ]
            )
        )
        + Table(
            words,
            ["channel", "converted", "rate", "heldOut", "heldOutConverted", "heldOutRate", "differenceAndInterval"],
            report.ByChannel.Select(
                (channel, i) =>
                    (ReportCell[])
                        [
                            Of(words[ProductJson.NameOf(channel.Channel)]),
                            Count($"byChannel.{i}.treated.converted", channel.Treated.Converted),
                            Rate($"byChannel.{i}.treated.rate", channel.Treated.Rate),
                            .. Arm($"byChannel.{i}.control", "", channel.Control)[1..],
                            Both($"byChannel.{i}.difference", channel.Difference, words, 100, Points),
                        ]
            )
        );

    private static ReportCell[] Arm(string path, string name, ArmResult arm) =>
        [
            Of(name),
            Count(path + ".customers", arm.Customers),
            Count(path + ".converted", arm.Converted),
            Rate(path + ".rate", arm.Rate),
        ];

    private static ReportCell[] EachTime(string path, Lift lift, ArmResult arm) =>
        lift.ConversionsPerCustomer is null
            ? []
            :
            [
                Count(path + ".conversions", arm.Conversions),
                ReportCell.Number(path + ".meanConversions", arm.MeanConversions, "0.0000"),
            ];

    private static ReportCell[] Group(string name, GroupResult group, ReportWords words) =>
        [
            Of(words[name]),
            Count($"notCausal.{name}.customers", group.Customers),
            Count($"notCausal.{name}.converted", group.Converted),
            Rate($"notCausal.{name}.rate", group.Rate),
        ];

    private static ReportCell[] Change(string path, string name, ChangeArm arm) =>
        [
            Of(name),
            Count(path + ".lookedUp", arm.LookedUp),
            Count(path + ".withoutValue", arm.WithoutValue),
            ReportCell.Number(path + ".meanBefore", arm.MeanBefore),
            ReportCell.Number(path + ".meanChange", arm.MeanChange),
        ];

    private static ReportCell[] Beside(string arm, ChangeArm change, LastYearArm lastYear, ReportWords words) =>
        [
            Of(words[arm]),
            ReportCell.Number($"number.{arm}.meanChange", change.MeanChange),
            Count($"number.notCausal.lastYear.{arm}.withLastYear", lastYear.WithLastYear),
            ReportCell.Number($"number.notCausal.lastYear.{arm}.meanChangeLastYear", lastYear.MeanChangeLastYear),
        ];

    private static ReportCell[] Quantiles(string path, string name, DayQuantiles days) =>
        [
            Of(name),
            Count(path + ".daysToQuarter", days.DaysToQuarter),
            Count(path + ".daysToHalf", days.DaysToHalf),
            Count(path + ".daysToThreeQuarters", days.DaysToThreeQuarters),
            Count(path + ".daysToNineTenths", days.DaysToNineTenths),
        ];

    private static ReportCell[] Figure(
        string path,
        string word,
        Measured figure,
        ReportWords words,
        double scale,
        string format
    ) => [Of(words[word]), Value(path, figure, words, scale, format), Interval(path, figure, scale, format)];

    private static ReportCell[] P(string path, string word, PValue p, ReportWords words) =>
        [Of(words[word]), Probability(path, p, words), Of("")];
}
