using System.Globalization;
using System.Text;

namespace Campaigns.Reports;

/// <summary>A cell of a table of the page. A figure carries its path in the report's JSON, such as
/// <c>funnel.2.unique</c>, as <c>data-metric</c>, and what is computed of two figures both: <c>a/b</c>.</summary>
/// <param name="Html">Encoded.</param>
internal readonly record struct ReportCell(string Html)
{
    public const string Signed = "+#,0.00;−#,0.00;0.00";

    public static ReportCell Of(string text) => new(ReportPage.Text(text));

    public static ReportCell Count(string path, long? count) =>
        Figure(path, count is { } number ? ReportPage.Count(number) : "–");

    /// <param name="rate">1 is every one.</param>
    public static ReportCell Rate(string path, double? rate) =>
        Figure(path, rate is { } share ? Shown(share, 100, "0.00") + " %" : "–");

    public static ReportCell Share(string path, long part, string wholePath, long whole) =>
        whole == 0 ? Of("–") : Rate($"{path}/{wholePath}", (double)part / whole);

    public static ReportCell Number(string path, double? number, string format = "#,0.00;−#,0.00;0.00") =>
        Figure(path, number is { } value ? Shown(value, 1, format) : "–");

    /// <summary>The value, or why there is none.</summary>
    public static ReportCell Value(string path, Measured figure, ReportWords words, double scale, string format) =>
        Figure(
            path + ".value",
            figure.Value is { } value ? Shown(value, scale, format) : Missing(figure.Missing!, words)
        );

    public static ReportCell Interval(string path, Measured figure, double scale, string format) =>
        figure is { Low: { } low, High: { } high }
            ? new(
                Figure(path + ".low", Shown(low, scale, format)).Html
                    + " … "
                    + Figure(path + ".high", Shown(high, scale, format)).Html
            )
            : Of("–");

    /// <summary>The value, and its interval in a line of its own.</summary>
    public static ReportCell Both(string path, Measured figure, ReportWords words, double scale, string format) =>
        figure.Low is null
            ? Value(path, figure, words, scale, format)
            : new(
                Value(path, figure, words, scale, format).Html
                    + $"<br><small>{Interval(path, figure, scale, format).Html}</small>"
            );

    public static ReportCell Probability(string path, PValue p, ReportWords words) =>
        Figure(
            path + ".value",
            p.Value switch
            {
                null => Missing(p.Missing!, words),
                < 0.0001 => "< 0.0001",
                { } value => Shown(value, 1, "0.0000"),
            }
        );

    /// <param name="columns">Names of words.</param>
    /// <param name="rows">The first cell heads its row.</param>
    public static string Table(ReportWords words, string[] columns, IEnumerable<ReportCell[]> rows)
    {
        var table = new StringBuilder("<div class=\"wide\"><table><thead><tr>");
        foreach (var column in columns)
        {
            table.Append($"<th scope=\"col\">{ReportPage.Text(words[column])}</th>");
        }

        table.Append("</tr></thead><tbody>");
        foreach (var row in rows)
        {
            table.Append($"<tr><th scope=\"row\">{row[0].Html}</th>");
            foreach (var cell in row.Skip(1))
            {
                table.Append($"<td>{cell.Html}</td>");
            }

            table.Append("</tr>");
        }

        return table.Append("</tbody></table></div>").ToString();
    }

    private static ReportCell Figure(string path, string text) =>
        new($"<span data-metric=\"{ReportPage.Text(path)}\">{ReportPage.Text(text)}</span>");

    private static string Missing(string reason, ReportWords words) => $"– ({words[reason]})";

    private static string Shown(double value, double scale, string format) =>
        (scale * value).ToString(format, CultureInfo.InvariantCulture);
}
