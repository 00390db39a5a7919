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
            <style>{ReportStyle.Css}</style>
            </head>
            <body>
            <main>
            """
        );
        Head(page, report, words);
        foreach (var (title, content) in Sections(report, words))
        {
            page.Append($"<section><h2>{Text(words[title])}</h2>{content}</section>");
        }

        page.Append("</main></body></html>");
        return page.ToString();
    }

    internal static string Text(string text) => WebUtility.HtmlEncode(text);

    internal static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    private static void Head(StringBuilder page, CampaignReport report, ReportWords words)
    {
        var through = ReportCharts.InBank(report.ComputedThrough);
        page.Append(
            $"""
            <header>
            <p class="kind">{Text(words["title"])}</p>
            <h1>{Text(report.Name)}</h1>
            <p>{Text(report.CampaignId)} · {words["run"]} <span data-metric="run">{report.Run}</span> ({Text(words["state:" + report.State])})
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

    private static IEnumerable<(string Title, string Content)> Sections(CampaignReport report, ReportWords words)
    {
        if (report.Number is { } number)
        {
            yield return ("number", Number(number, words));
        }

        yield return ("lift", LiftOf(report, words));
        yield return ("funnel", ReportCharts.Funnel(report, words) + ReportTables.Funnel(report, words));
        yield return ("byDay", Days(report, words));
        yield return ("timetable", Timetable(report, words));
        yield return ("ledger", ReportCharts.Ledger(report.Ledger, words) + ReportTables.Ledger(report.Ledger, words));
        if (report.ByVariant.Count > 1)
        {
            yield return ("byVariant", ReportTables.Variants(report, words));
        }

        if (report.BySegment is { Count: > 0 } segments)
        {
            yield return ("bySegment", $"<p>{Text(words["inEach"])}</p>" + ReportTables.Segments(segments, words));
        }

        if (report.TimeToConvert is { } time)
        {
            yield return ("timeToConvert", ReportTables.TimeToConvert(time, words));
        }

        if (report.Attribution is { } own)
        {
            yield return ("attribution", Attributed(own, words));
        }

        if (report.NotCausal is { } groups)
        {
            yield return ("notCausal", $"<p>{Text(words["notCausalWhy"])}</p>" + ReportTables.NotCausal(groups, words));
        }

        yield return ("byChannel", ReportTables.Channels(report, words));
    }

    private static string LiftOf(CampaignReport report, ReportWords words) =>
        ReportCharts.Lift(report, words)
        + $"<p><strong>{Text(Verdict(report, words))}</strong> {Text(words["everyone"])}</p>"
        + ReportTables.Lift(report.Lift, words);

    /// <summary>By the interval that holds at this look; under the alarm, which stands above, there is none.</summary>
    private static string Verdict(CampaignReport report, ReportWords words) =>
        (report.IsOver, report.Lift) switch
        {
            (_, { SampleRatio.Alarm: true }) => "",
            (true, { Difference: { Low: > 0 } or { High: < 0 } }) => words["clear"],
            (true, { Difference.Value: not null }) => words["unclear"],
            (false, { Sequence: { Low: > 0 } or { High: < 0 } }) => words["clearSoFar"],
            (false, { Difference.Value: not null }) => words["unclearSoFar"],
            _ => "",
        };

    private static string Number(NumberChange number, ReportWords words) =>
        $"<p>{Text(number.Field)} · {Text(words["waiting"])}: {ReportCell.Count("number.waiting", number.Waiting).Html}</p>"
        + ReportTables.Number(number, words)
        + (number.NotCausal is { LastYear: var lastYear } ? LastYear(number, lastYear, words) : "");

    private static string LastYear(NumberChange number, LastYearChange lastYear, ReportWords words) =>
        $"<h3>{Text(words["notCausal"])}: {Text(words["lastYear"])}</h3>"
        + $"<p>{Text(lastYear.Before)} → {Text(lastYear.After)}. {Text(words["lastYearWhy"])}</p>"
        + ReportTables.LastYear(number, lastYear, words);

    private static string Attributed(Attribution own, ReportWords words)
    {
        var model = Text(words["model:" + ProductJson.NameOf(own.Model)]);
        return $"<p>{model}: {ReportCell.Count("attribution.attributedConversions", own.AttributedConversions).Html}</p>";
    }

    private static string Days(CampaignReport report, ReportWords words) =>
        report.ByDay.Count == 0
            ? $"<p>{Text(words["noData"])}</p>"
            : $"<p>{Text(words["soFar"])}</p>"
                + ReportCharts.Days(report, words)
                + Folded(words["table"], ReportTables.Days(report, words));

    private static string Timetable(CampaignReport report, ReportWords words) =>
        report.ByWindow.Count == 0
            ? $"<p>{Text(words["noData"])}</p>"
            : ReportCharts.Timetable(report, words)
                + NotDrawn(report, words)
                + Folded(words["table"], ReportTables.Timetable(report, words));

    private static string NotDrawn(CampaignReport report, ReportWords words) =>
        report.ByWindow.Count > ReportCharts.MostWindows
            ? $"<p>{Text(words["notDrawn"])}: {Count(report.ByWindow.Count - ReportCharts.MostWindows)}</p>"
            : "";

    private static string Folded(string title, string content) =>
        $"<details><summary>{Text(title)}</summary>{content}</details>";
}
