using System.Globalization;
using System.Text;
using Campaigns.Json;

namespace Campaigns.Reports;

/// <summary>A report as a table of section, group, metric, figure and interval: RFC 4180, UTF-8 with a byte order mark, so
/// that spreadsheets read Chinese.</summary>
public static class ReportCsv
{
    private const string FormulaStarts = "=+-@\t\r";

    /// <summary>The whole table.</summary>
    public static string Of(CampaignReport report)
    {
        var table = new StringBuilder("\uFEFF");
        Line(table, "section", "group", "metric", "value", "low", "high", "missing");
        foreach (var (section, group, metric, figure) in Lines(report))
        {
            Line(
                table,
                section,
                group,
                metric,
                Number(figure.Value),
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
        var start = text?.TrimStart(' ');
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

    private static IEnumerable<(string Section, string Group, string Metric, Measured Figure)> Lines(
        CampaignReport report
    ) =>
        [
            .. About(report),
            .. Ledger(report.Ledger),
            .. report.Funnel.SelectMany(step => Step(step)),
            .. LiftLines(report.Lift),
            .. report.ByVariant.SelectMany(variant =>
                ArmLines("byVariant", variant.Variant, variant.Treated)
                    .Append(("byVariant", variant.Variant, "difference", variant.Difference))
                    .Append(("byVariant", variant.Variant, "pValue", Of(variant.PValue)))
                    .Append(("byVariant", variant.Variant, "adjustedPValue", Of(variant.AdjustedPValue)))
            ),
            .. report.ByChannel.SelectMany(channel =>
                Sends("byChannel", ProductJson.NameOf(channel.Channel), channel.Sent)
                    .Concat(ArmLines("byChannel", ProductJson.NameOf(channel.Channel), channel.Treated))
                    .Concat(ArmLines("byChannel", $"{ProductJson.NameOf(channel.Channel)} held out", channel.Control))
            ),
            .. report.ByWindow.SelectMany(window =>
            {
                var name = $"{ProductJson.NameOf(window.Channel)} {window.OpensAt:yyyy-MM-ddTHH:mmzzz}";
                return Sends("byWindow", name, window.Sent)
                    .Concat(ArmLines("byWindow", name, window.Treated))
                    .Concat(ArmLines("byWindow", $"{name} held out", window.Control));
            }),
            .. report.ByDay.SelectMany(DayLines),
        ];

    private static IEnumerable<(string, string, string, Measured)> About(CampaignReport report) =>
        [
            ("report", report.CampaignId, report.Name, new(null, null, null, null)),
            ("report", $"{report.ComputedThrough:O}", "run", Of(report.Run)),
        ];

    private static IEnumerable<(string, string, string, Measured)> Ledger(ReportLedger ledger) =>
        [
            ("ledger", "", "audience", Of(ledger.Audience)),
            ("ledger", "", "touches", Of(ledger.Touches)),
            ("ledger", "", "heldOut", Of(ledger.HeldOut)),
            ("ledger", "", "heldOutGlobal", Of(ledger.HeldOutGlobal)),
            .. ledger.Suppressed.Select(one => ("ledger", "suppressed", one.Key, Of(one.Value))),
            .. ledger.TouchesByChannel.Select(one =>
                ("ledger", "touchesByChannel", ProductJson.NameOf(one.Key), Of(one.Value))
            ),
            .. ledger.TouchesByState.Select(one => ("ledger", "touchesByState", one.Key, Of(one.Value))),
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
            ("lift", "", "valuePerCustomer", lift.ValuePerCustomer),
            ("lift", "", "sampleRatio", Of(lift.SampleRatio.PValue)),
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
            (section, group, "value", Of((double)arm.Value)),
        ];

    private static IEnumerable<(string, string, string, Measured)> Sends(
        string section,
        string group,
        SendCounts sent
    ) =>
        [
            (section, group, "planned", Of(sent.Touches)),
            (section, group, "attempted", Of(sent.Attempted)),
            (section, group, "accepted", Of(sent.Accepted)),
            (section, group, "delivered", Of(sent.Delivered)),
            (section, group, "opened", Of(sent.Opened)),
            (section, group, "clicked", Of(sent.Clicked)),
        ];

    private static IEnumerable<(string, string, string, Measured)> DayLines(DayResult day)
    {
        var name = day.Day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        return
        [
            ("byDay", name, "attempted", Of(day.Attempted)),
            ("byDay", name, "converted", Of(day.Treated)),
            ("byDay", name, "converted held out", Of(day.Control)),
            ("byDay", name, "conversions", Of(day.TreatedConversions)),
            ("byDay", name, "conversions held out", Of(day.ControlConversions)),
        ];
    }

    private static Measured Of(double value) => new(value, null, null, null);

    private static Measured Of(PValue p) => new(p.Value, null, null, p.Missing);

    private static string? Number(double? value) => value?.ToString("R", CultureInfo.InvariantCulture);

    private static void Line(StringBuilder table, params IEnumerable<string?> fields) =>
        table.AppendJoin(',', fields.Select(Field)).Append("\r\n");
}
