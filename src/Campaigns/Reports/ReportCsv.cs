using System.Globalization;
using System.Text;
using System.Xml;
using Campaigns.Json;
using Campaigns.Planning;
using Campaigns.Receipts;

namespace Campaigns.Reports;

/// <summary>A report as a table of section, group, metric, figure and interval: RFC 4180, UTF-8 with a byte order mark, so
/// that spreadsheets read Chinese.</summary>
public static class ReportCsv
{
    // With the full-width ones, which spreadsheets of East Asia compute as well.
    private const string FormulaStarts = "=+-@\t\r\n＝＋－＠";

    /// <summary>The whole table.</summary>
    public static string Of(CampaignReport report)
    {
        var table = new StringBuilder("\uFEFF");
        Line(table, "section", "group", "metric", "value", "low", "high", "missing");
        Line(table, "report", "campaign", report.CampaignId, "", "", "", "");
        Line(table, "report", "name", report.Name, "", "", "", "");
        Line(table, "report", "run", $"{report.Run}", "", "", "", "");
        Line(table, "report", "state", report.State, "", "", "", "");
        Line(table, "report", "computedThrough", $"{report.ComputedThrough:O}", "", "", "", "");
        Line(table, "report", "countsUntil", $"{report.CountsUntil:O}", "", "", "", "");
        Line(table, "report", "goal", report.Goal.Event ?? report.Goal.Field, "", "", "", "");
        Line(table, "report", "goalWindow", XmlConvert.ToString(report.Goal.Window), "", "", "", "");
        Line(table, "report", "sequenceCustomers", $"{report.Goal.SequenceCustomers}", "", "", "", "");
        Line(table, "report", "sampleRatioAlarm", report.Lift.SampleRatio.Alarm ? "true" : "false", "", "", "", "");
        foreach (var (section, group, metric, figure) in Lines(report))
        {
            Line(
                table,
                section,
                group,
                metric,
                figure.Exact?.ToString(CultureInfo.InvariantCulture) ?? Number(figure.Value),
                Number(figure.Low),
                Number(figure.High),
                figure.Missing
            );
        }

        return table.ToString();
    }

    /// <summary>A text as a field: quoted where it must be, and with an apostrophe before what a spreadsheet would
    /// compute.</summary>
    internal static string Field(string? text)
    {
        var start = text?.TrimStart(' ', '\u00A0', '\u3000');
        if (string.IsNullOrEmpty(text) || string.IsNullOrEmpty(start))
        {
            return "";
        }

        var isNumber = decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _);
        var safe = !isNumber && FormulaStarts.Contains(start[0], StringComparison.Ordinal) ? "'" + text : text;
        return safe.AsSpan().IndexOfAny(",\"\r\n") >= 0 || safe != safe.Trim()
            ? $"\"{safe.Replace("\"", "\"\"", StringComparison.Ordinal)}\""
            : safe;
    }

    /// <summary>Every figure of a report, by its name in <see cref="Metrics"/>.</summary>
    internal static IEnumerable<(string Section, string Group, string Metric, Measured Figure)> Lines(
        CampaignReport report
    ) =>
        [
            .. Ledger(report.Ledger),
            .. report.Funnel.SelectMany(step => Step(step)),
            .. LiftLines(report.Lift),
            .. report.Number is { } number ? NumberLines(number) : [],
            .. report.TimeToConvert is { } time
                ? DaysTo("treated", time.Treated).Concat(DaysTo("control", time.Control))
                : [],
            .. report.ByVariant.SelectMany(variant =>
                Sends("byVariant", variant.Variant, variant.Sent)
                    .Concat(ArmLines("byVariant", variant.Variant, variant.Treated))
                    .Append(("byVariant", variant.Variant, "difference", variant.Difference))
                    .Append(("byVariant", variant.Variant, "pValue", Of(variant.PValue)))
                    .Append(("byVariant", variant.Variant, "adjustedPValue", Of(variant.AdjustedPValue)))
            ),
            .. (report.BySegment ?? []).SelectMany(one =>
                Sends("bySegment", one.Segment, one.Sent)
                    .Prepend(("bySegment", one.Segment, "audience", Of(one.Audience)))
                    .Concat(ArmLines("bySegment", one.Segment, one.Treated))
                    .Concat(ArmLines("bySegment", $"{one.Segment} held out", one.Control))
                    .Append(("bySegment", one.Segment, "difference", one.Difference))
            ),
            .. report.ByChannel.SelectMany(channel =>
                Sends("byChannel", ProductJson.NameOf(channel.Channel), channel.Sent)
                    .Concat(ArmLines("byChannel", ProductJson.NameOf(channel.Channel), channel.Treated))
                    .Concat(ArmLines("byChannel", $"{ProductJson.NameOf(channel.Channel)} held out", channel.Control))
                    .Append(("byChannel", ProductJson.NameOf(channel.Channel), "difference", channel.Difference))
            ),
            .. report.ByWindow.SelectMany(window =>
            {
                var name =
                    $"{ProductJson.NameOf(window.Channel)} {window.OpensAt:yyyy-MM-ddTHH:mmzzz}/{window.ClosesAt:yyyy-MM-ddTHH:mmzzz}";
                return Sends("byWindow", name, window.Sent)
                    .Concat(window.MassSends is { } mass ? MassLines("byWindow", name, mass) : [])
                    .Concat(ArmLines("byWindow", name, window.Treated))
                    .Concat(ArmLines("byWindow", $"{name} held out", window.Control))
                    .Append(("byWindow", name, "difference", window.Difference));
            }),
            .. report.ByDay.SelectMany(DayLines),
            .. report.Attribution is { } own
                ?
                [
                    (
                        "attribution",
                        ProductJson.NameOf(own.Model),
                        "attributedConversions",
                        Of(own.AttributedConversions)
                    ),
                ]
                : Array.Empty<(string, string, string, Measured)>(),
            .. report.NotCausal is { } groups ? NotCausalLines(groups) : [],
        ];

    private static IEnumerable<(string, string, string, Measured)> Ledger(ReportLedger ledger) =>
        [
            ("ledger", "", "audience", Of(ledger.Audience)),
            ("ledger", "", "touches", Of(ledger.Touches)),
            ("ledger", "", "heldOut", Of(ledger.HeldOut)),
            ("ledger", "", "heldOutGlobal", Of(ledger.HeldOutGlobal)),
            .. ledger.Suppressed.Select(one => ("ledger", one.Key, "suppressed", Of(one.Value))),
            .. ledger.TouchesByChannel.Select(one =>
                ("ledger", ProductJson.NameOf(one.Key), "touchesByChannel", Of(one.Value))
            ),
            .. ledger.TouchesByState.Select(one => ("ledger", one.Key, "touchesByState", Of(one.Value))),
        ];

    private static IEnumerable<(string, string, string, Measured)> Step(FunnelStep step)
    {
        yield return ("funnel", "unique", step.Metric, Of(step.Unique));
        if (step.Total is { } total)
        {
            yield return ("funnel", "total", step.Metric, Of(total));
        }
    }

    private static IEnumerable<(string, string, string, Measured)> LiftLines(Lift lift) =>
        [
            .. ArmLines("lift", "treated", lift.Treated),
            .. ArmLines("lift", "control", lift.Control),
            ("lift", "", "difference", lift.Difference),
            ("lift", "", "relative", lift.Relative),
            ("lift", "", "incrementalConversions", lift.IncrementalConversions),
            ("lift", "", "pValue", Of(lift.PValue)),
            ("lift", "", "sequence", lift.Sequence),
            ("lift", "", "sequencePValue", Of(lift.SequencePValue)),
            .. lift is { ConversionsPerCustomer: { } times, ConversionsPerCustomerPValue: { } p }
                ? [("lift", "", "conversionsPerCustomer", times), ("lift", "", "conversionsPerCustomerPValue", Of(p))]
                : Array.Empty<(string, string, string, Measured)>(),
            ("lift", "", "valuePerCustomer", lift.ValuePerCustomer),
            ("lift", "", "incrementalValue", lift.IncrementalValue),
            ("lift", "", "sampleRatio", new(lift.SampleRatio.Value, Missing: lift.SampleRatio.Missing)),
        ];

    private static IEnumerable<(string, string, string, Measured)> NumberLines(NumberChange number) =>
        [
            .. ChangeLines("treated", number.Treated),
            .. ChangeLines("control", number.Control),
            ("number", "", "waiting", Of(number.Waiting)),
            ("number", "", "change", number.Change),
            ("number", "", "changePValue", Of(number.ChangePValue)),
            ("number", "", "cuped", number.Cuped),
            ("number", "", "cupedPValue", Of(number.CupedPValue)),
            .. number.NotCausal is { LastYear: var lastYear }
                ? LastYearLines("lastYear treated", lastYear.Treated)
                    .Concat(LastYearLines("lastYear control", lastYear.Control))
                : [],
            .. number.ByVariant.SelectMany(variant => VariantLines($"variant:{variant.Variant}", variant)),
        ];

    // A variant may be named as an arm is.
    private static IEnumerable<(string, string, string, Measured)> VariantLines(string group, VariantChange variant) =>
        [
            .. ChangeLines(group, variant.Treated),
            ("number", group, "change", variant.Change),
            ("number", group, "cuped", variant.Cuped),
            ("number", group, "cupedPValue", Of(variant.CupedPValue)),
            ("number", group, "adjustedPValue", Of(variant.AdjustedPValue)),
        ];

    private static IEnumerable<(string, string, string, Measured)> ChangeLines(string group, ChangeArm arm) =>
        [
            ("number", group, "lookedUp", Of(arm.LookedUp)),
            ("number", group, "withoutValue", Of(arm.WithoutValue)),
            ("number", group, "meanBefore", new(arm.MeanBefore)),
            ("number", group, "meanChange", new(arm.MeanChange)),
        ];

    private static IEnumerable<(string, string, string, Measured)> LastYearLines(string group, LastYearArm arm) =>
        [
            ("notCausal", group, "withLastYear", Of(arm.WithLastYear)),
            ("notCausal", group, "meanChangeLastYear", new(arm.MeanChangeLastYear)),
        ];

    private static IEnumerable<(string, string, string, Measured)> DaysTo(string arm, DayQuantiles days) =>
        [
            ("timeToConvert", arm, "daysToQuarter", new(days.DaysToQuarter)),
            ("timeToConvert", arm, "daysToHalf", new(days.DaysToHalf)),
            ("timeToConvert", arm, "daysToThreeQuarters", new(days.DaysToThreeQuarters)),
            ("timeToConvert", arm, "daysToNineTenths", new(days.DaysToNineTenths)),
        ];

    private static IEnumerable<(string, string, string, Measured)> NotCausalLines(NotCausal groups) =>
        [
            .. GroupLines("participating", groups.Participating),
            .. GroupLines("notParticipating", groups.NotParticipating),
            .. GroupLines("periodBefore", groups.PeriodBefore),
            .. GroupLines("thisPeriod", groups.ThisPeriod),
        ];

    private static IEnumerable<(string, string, string, Measured)> GroupLines(string group, GroupResult result) =>
        [
            ("notCausal", group, "customers", Of(result.Customers)),
            ("notCausal", group, "converted", Of(result.Converted)),
            ("notCausal", group, "rate", new(result.Rate)),
        ];

    private static IEnumerable<(string, string, string, Measured)> ArmLines(
        string section,
        string group,
        ArmResult arm
    ) =>
        [
            (section, group, "customers", Of(arm.Customers)),
            (section, group, "converted", Of(arm.Converted)),
            (section, group, "conversions", Of(arm.Conversions)),
            (section, group, "value", new((double)arm.Value) { Exact = arm.Value }),
            (section, group, "otherCurrency", Of(arm.OtherCurrency)),
            (section, group, "rate", new(arm.Rate)),
            .. arm.MeanConversions is { } mean
                ? [(section, group, "meanConversions", Of(mean))]
                : Array.Empty<(string, string, string, Measured)>(),
        ];

    private static IEnumerable<(string, string, string, Measured)> Sends(
        string section,
        string group,
        SendCounts sent
    ) =>
        [
            (section, group, "touches", Of(sent.Touches)),
            (section, group, "attempted", Of(sent.Attempted)),
            (section, group, "accepted", Of(sent.Accepted)),
            (section, group, "delivered", Of(sent.Delivered)),
            (section, group, "opened", Of(sent.Opened)),
            (section, group, "clicked", Of(sent.Clicked)),
        ];

    private static IEnumerable<(string, string, string, Measured)> MassLines(
        string section,
        string group,
        MassSendCounts sent
    ) =>
        [
            (section, group, "calls", Of(sent.Calls)),
            (section, group, "named", Of(sent.Named)),
            (section, group, "filtered", Of(sent.Filtered)),
            (section, group, "sentTo", Of(sent.SentTo)),
            (section, group, "failed", Of(sent.Failed)),
            (section, group, "notSent", Of(sent.NotSent)),
        ];

    private static IEnumerable<(string, string, string, Measured)> DayLines(DayResult day)
    {
        var name = day.Day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        return
        [
            ("byDay", name, "attempted", Of(day.Attempted)),
            ("byDay", name, "converted", Of(day.Treated.Converted)),
            ("byDay", name, "conversions", Of(day.Treated.Conversions)),
            ("byDay", $"{name} held out", "converted", Of(day.Control.Converted)),
            ("byDay", $"{name} held out", "conversions", Of(day.Control.Conversions)),
        ];
    }

    private static Measured Of(double value) => new(value, null, null, null);

    private static Measured Of(PValue p) => new(p.Value, null, null, p.Missing);

    private static string? Number(double? value) => value?.ToString("R", CultureInfo.InvariantCulture);

    private static void Line(StringBuilder table, params IEnumerable<string?> fields) =>
        table.AppendJoin(',', fields.Select(Field)).Append("\r\n");
}
