using System.Globalization;
using System.Net;
using System.Text;
using Campaigns.Json;

namespace Campaigns.Reports;

/// <summary>A report as one page that asks for nothing else: charts as SVG, each with its table, for print in black and
/// white, for phones, and for screen readers.</summary>
public static class ReportPage
{
    /// <summary>The whole page.</summary>
    public static string Of(CampaignReport report, ReportWords words)
    {
        var page = new StringBuilder();
        page.Append(
            $"""
            <!doctype html>
            <html lang="{words.Language}">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{Text(words["title"])} · {Text(report.Name)}</title>
            <style>{Style}</style>
            </head>
            <body>
            <main>
            """
        );
        Head(page, report, words);
        if (report.Number is { } number)
        {
            Section(page, words["number"], Number(number, words));
        }

        LiftSection(page, report.Lift, words);
        Section(page, words["funnel"], ReportCharts.Funnel(report, words) + FunnelTable(report, words));
        Section(page, words["byDay"], Days(report, words));
        Section(page, words["timetable"], Timetable(report, words));
        Section(page, words["ledger"], ReportCharts.Ledger(report.Ledger, words) + LedgerTables(report.Ledger, words));
        if (report.ByVariant.Count > 1)
        {
            Section(page, words["byVariant"], Variants(report, words));
        }

        if (report.TimeToConvert is { } time)
        {
            Section(page, words["timeToConvert"], DaysTo(time, words));
        }

        if (report.Attribution is { } own)
        {
            var model = words["model:" + ProductJson.NameOf(own.Model)];
            Section(page, words["attribution"], $"<p>{Text(model)}: {Count(own.AttributedConversions)}</p>");
        }

        if (report.NotCausal is { } groups)
        {
            Section(page, words["notCausal"], $"<p>{Text(words["notCausalWhy"])}</p>" + NotCausal(groups, words));
        }

        Section(page, words["byChannel"], Channels(report, words));
        page.Append("</main></body></html>");
        return page.ToString();
    }

    internal static string Text(string text) => WebUtility.HtmlEncode(text);

    internal static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    private static string Percent(double rate) => rate.ToString("0.00", CultureInfo.InvariantCulture) + " %";

    private static void Head(StringBuilder page, CampaignReport report, ReportWords words)
    {
        var through = ReportCharts.InBank(report.ComputedThrough);
        page.Append(
            $"""
            <header>
            <p class="kind">{Text(words["title"])}</p>
            <h1>{Text(report.Name)}</h1>
            <p>{Text(report.CampaignId)} · {words["run"]} {report.Run} ({Text(words["state:" + report.State])})
            · {words["goal"]}: {Text(report.Goal.Event ?? report.Goal.Field ?? "")}, {words["within"]} {report.Goal.Window.TotalDays:0.##} {words[
                "days"
            ]}
            · {words[
                "through"
            ]} <time datetime="{report.ComputedThrough:O}">{through:yyyy-MM-dd HH:mm:ss zzz}</time></p>
            </header>
            """
        );
        if (report.Lift.SampleRatio.Alarm)
        {
            page.Append($"<p class=\"alarm\" role=\"alert\">{Text(words["alarm"])}</p>");
        }
    }

    private static void Section(StringBuilder page, string title, string content) =>
        page.Append($"<section><h2>{Text(title)}</h2>{content}</section>");

    private static void LiftSection(StringBuilder page, Lift lift, ReportWords words)
    {
        var verdict = lift.Difference switch
        {
            { Low: > 0 } or { High: < 0 } => words["clear"],
            { Value: not null } => words["unclear"],
            _ => "",
        };
        var arms = Table(
            words,
            ["arm", "customers", "converted", "rate"],
            [Arm(words["treated"], lift.Treated), Arm(words["control"], lift.Control)]
        );
        var figures = Table(
            words,
            ["metric", "value", "interval"],
            [
                Figure("difference", lift.Difference, words, 100, "+0.00;−0.00;0.00"),
                Figure("relative", lift.Relative, words, 100, "+0.0' %';−0.0' %';0' %'"),
                Figure("incremental", lift.IncrementalConversions, words, 1, "+#,0;−#,0;0"),
                Figure("sequence", lift.Sequence, words, 100, "+0.00;−0.00;0.00"),
                Figure("valuePer", lift.ValuePerCustomer, words, 1, "+#,0.00;−#,0.00;0"),
                Figure("incrementalValue", lift.IncrementalValue, words, 1, "+#,0.00;−#,0.00;0"),
                P("pValue", lift.PValue, words),
                P("sequenceP", lift.SequencePValue, words),
            ]
        );
        Section(
            page,
            words["lift"],
            ReportCharts.Lift(lift, words)
                + $"<p><strong>{Text(verdict)}</strong> {Text(words["everyone"])}</p>"
                + arms
                + figures
        );
    }

    private static string Number(NumberChange number, ReportWords words) =>
        $"<p>{Text(number.Field)} · {Text(words["waiting"])}: {Count(number.Waiting)}</p>"
        + Table(
            words,
            ["arm", "lookedUp", "withoutValue", "meanBefore", "meanChange"],
            [
                Change(words["treated"], number.Treated),
                Change(words["control"], number.Control),
                .. number.ByVariant.Select(variant => Change(variant.Variant, variant.Treated)),
            ]
        )
        + Table(
            words,
            ["metric", "value", "interval"],
            [
                Figure("change", number.Change, words, 1, Signed),
                Figure("cuped", number.Cuped, words, 1, Signed),
                P("changeP", number.ChangePValue, words),
                P("cupedP", number.CupedPValue, words),
            ]
        );

    private const string Signed = "+#,0.00;−#,0.00;0";

    private static string[] Change(string name, ChangeArm arm) =>
        [name, Count(arm.LookedUp), Count(arm.WithoutValue), Mean(arm.MeanBefore), Mean(arm.MeanChange)];

    private static string Mean(double? mean) => mean is { } value ? Shown(value, 1, "#,0.00;−#,0.00;0") : "–";

    private static string DaysTo(TimeToConvert time, ReportWords words) =>
        Table(
            words,
            ["arm", "daysToQuarter", "daysToHalf", "daysToThreeQuarters", "daysToNineTenths"],
            [Quantiles(words["treated"], time.Treated), Quantiles(words["control"], time.Control)]
        );

    private static string[] Quantiles(string name, DayQuantiles days) =>
        [
            name,
            .. new[] { days.DaysToQuarter, days.DaysToHalf, days.DaysToThreeQuarters, days.DaysToNineTenths }.Select(
                day => day is { } number ? Count(number) : "–"
            ),
        ];

    private static string NotCausal(NotCausal groups, ReportWords words) =>
        Table(
            words,
            ["arm", "customers", "converted", "rate"],
            [
                Group(words["participating"], groups.Participating),
                Group(words["notParticipating"], groups.NotParticipating),
                Group(words["periodBefore"], groups.PeriodBefore),
                Group(words["thisPeriod"], groups.ThisPeriod),
            ]
        );

    private static string[] Group(string name, GroupResult group) =>
        [name, Count(group.Customers), Count(group.Converted), group.Rate is { } rate ? Percent(100 * rate) : "–"];

    private static string[] Arm(string name, ArmResult arm) =>
        [name, Count(arm.Customers), Count(arm.Converted), arm.Rate is { } rate ? Percent(100 * rate) : "–"];

    private static string[] Figure(string name, Measured figure, ReportWords words, double scale, string format) =>
        figure is { Value: { } value, Low: { } low, High: { } high }
            ? [words[name], Shown(value, scale, format), $"{Shown(low, scale, format)} … {Shown(high, scale, format)}"]
            : [words[name], $"– ({words[figure.Missing!]})", "–"];

    private static string Shown(double value, double scale, string format) =>
        (scale * value).ToString(format, CultureInfo.InvariantCulture);

    private static string[] P(string name, PValue p, ReportWords words) =>
        [words[name], p.Value is { } value ? Probability(value) : $"– ({words[p.Missing!]})", ""];

    private static string Probability(double p) =>
        p < 0.0001 ? "< 0.0001" : p.ToString("0.0000", CultureInfo.InvariantCulture);

    private static string FunnelTable(CampaignReport report, ReportWords words)
    {
        var planned = report.Ledger.Touches;
        return Table(
            words,
            ["metric", "unique", "ofPlanned", "total"],
            report.Funnel.Select(step =>
                (string[])
                    [
                        words[step.Metric],
                        Count(step.Unique),
                        planned == 0 || step.Metric == "audience" ? "–" : Percent(100.0 * step.Unique / planned),
                        step.Total is { } total ? Count(total) : "–",
                    ]
            )
        );
    }

    private static string Days(CampaignReport report, ReportWords words) =>
        report.ByDay.Count == 0
            ? $"<p>{Text(words["noData"])}</p>"
            : $"<p>{Text(words["soFar"])}</p>"
                + ReportCharts.Days(report, words)
                + Folded(
                    words["table"],
                    Table(
                        words,
                        ["day", "attempted", "treated", "control"],
                        report.ByDay.Select(day =>
                            (string[])
                                [
                                    day.Day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
                                    Count(day.Attempted),
                                    Count(day.Treated.Converted),
                                    Count(day.Control.Converted),
                                ]
                        )
                    )
                );

    private static string Timetable(CampaignReport report, ReportWords words) =>
        report.ByWindow.Count == 0
            ? $"<p>{Text(words["noData"])}</p>"
            : ReportCharts.Timetable(report, words)
                + Folded(
                    words["table"],
                    Table(
                        words,
                        ["window", "channel", "touches", "attempted", "heldOut", "converted"],
                        report.ByWindow.Select(window =>
                            (string[])
                                [
                                    ReportCharts.Hour(window),
                                    words[ProductJson.NameOf(window.Channel)],
                                    Count(window.Sent.Touches),
                                    Count(window.Sent.Attempted),
                                    Count(window.Control.Customers),
                                    Count(window.Treated.Converted),
                                ]
                        )
                    )
                );

    private static string LedgerTables(ReportLedger ledger, ReportWords words) =>
        Table(
            words,
            ["ledger", "customers"],
            [
                [words["touches"], Count(ledger.Touches)],
                [words["heldOut"], Count(ledger.HeldOut)],
                [words["heldOutGlobal"], Count(ledger.HeldOutGlobal)],
                .. ledger.Suppressed.Select(one =>
                    (string[])[$"{words["suppressed"]}: {words[one.Key]}", Count(one.Value)]
                ),
                [words["audience"], Count(ledger.Audience)],
            ]
        )
        + $"<h3>{Text(words["states"])}</h3>"
        + Table(
            words,
            ["state", "touches"],
            ledger.TouchesByState.Select(one => (string[])[words[one.Key], Count(one.Value)])
        );

    private static string Variants(CampaignReport report, ReportWords words) =>
        Table(
            words,
            ["variant", "customers", "converted", "rate", "difference", "interval", "adjusted"],
            report.ByVariant.Select(variant =>
            {
                var figure = Figure("difference", variant.Difference, words, 100, "+0.00;−0.00;0.00");
                return (string[])
                    [
                        .. Arm(variant.Variant, variant.Treated),
                        .. figure[1..],
                        P("adjusted", variant.AdjustedPValue, words)[1],
                    ];
            })
        );

    private static string Channels(CampaignReport report, ReportWords words) =>
        Table(
            words,
            ["channel", "touches", "attempted", "accepted", "delivered", "opened", "clicked", "converted"],
            report.ByChannel.Select(channel =>
                (string[])
                    [
                        words[ProductJson.NameOf(channel.Channel)],
                        Count(channel.Sent.Touches),
                        Count(channel.Sent.Attempted),
                        Count(channel.Sent.Accepted),
                        Count(channel.Sent.Delivered),
                        Count(channel.Sent.Opened),
                        Count(channel.Sent.Clicked),
                        Count(channel.Treated.Converted),
                    ]
            )
        );

    private static string Folded(string title, string content) =>
        $"<details><summary>{Text(title)}</summary>{content}</details>";

    private static string Table(ReportWords words, string[] columns, IEnumerable<string[]> rows)
    {
        var table = new StringBuilder("<div class=\"wide\"><table><thead><tr>");
        foreach (var column in columns)
        {
            table.Append($"<th scope=\"col\">{Text(words[column])}</th>");
        }

        table.Append("</tr></thead><tbody>");
        foreach (var row in rows)
        {
            table.Append($"<tr><th scope=\"row\">{Text(row[0])}</th>");
            foreach (var cell in row.Skip(1))
            {
                table.Append($"<td>{Text(cell)}</td>");
            }

            table.Append("</tr>");
        }

        return table.Append("</tbody></table></div>").ToString();
    }

    private const string Style = """
        :root { color-scheme: light; }
        body { margin: 0; background: #fff; color: #1a1a1a;
          font: 16px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
        main { max-width: 52rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
        h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; }
        h2 { font-size: 1.2rem; margin: 0 0 .8rem; }
        h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
        header p { margin: 0; color: #555; }
        .kind { letter-spacing: .05em; }
        section { margin-top: 2.2rem; padding-top: 1.2rem; border-top: 1px solid #ddd; }
        .alarm { border: 3px solid #000; padding: .8rem; font-weight: 700; }
        svg { display: block; width: 100%; max-width: 42rem; height: auto; margin: .2rem 0 1rem; font-size: 13px; }
        svg text { fill: #1a1a1a; }
        .wide { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
        td { white-space: nowrap; }
        .wide + .wide { margin-top: 1.2rem; }
        th, td { padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #e5e5e5; text-align: right; }
        tr > :first-child { text-align: left; font-weight: 400; }
        thead th { color: #555; font-weight: 400; vertical-align: bottom; }
        summary { cursor: pointer; color: #555; }
        @media print { details > * { display: block; } }
        """;
}
