using System.Globalization;
using Spectre.Console;

namespace Campaigns.Demo;

/// <summary>Draws the report in the terminal.</summary>
internal static class Drawing
{
    public static void Draw(ReportView report, Words words)
    {
        AnsiConsole.WriteLine();
        AnsiConsole.Write(Ledger(report.Ledger, words));
        AnsiConsole.Write(Funnel(report.Funnel, words));
        AnsiConsole.Write(Lift(report.Lift, words));
        Screen.Line(Difference(report.Lift.Difference, words));
    }

    private static string Difference(FigureView difference, Words words) =>
        difference is { Value: { } value, Low: { } low, High: { } high }
            ? words.Say(
                $"difference {Percent(value)}, with 95 % confidence {Percent(low)} to {Percent(high)}",
                $"提升 {Percent(value)}，95 % 置信区间 {Percent(low)} 至 {Percent(high)}"
            )
            : words.Say($"no difference: {difference.Missing}", $"无法计算：{difference.Missing}");

    private static Table Ledger(LedgerView ledger, Words words)
    {
        var table = new Table().RoundedBorder().Title(words.Say("[bold]Ledger[/]", "[bold]台账[/]"));
        table.AddColumn(words.Say("Everyone in the audience", "目标客群去向"));
        table.AddColumn(new TableColumn(words.Say("customers", "客户数")).RightAligned());
        table.AddRow(words.Say("[bold]audience[/]", "[bold]目标客群[/]"), $"[bold]{Count(ledger.Audience)}[/]");
        foreach (var (channel, count) in ledger.TouchesByChannel)
        {
            table.AddRow($"  {words.Say("touch by", "触达：")} {words.Name(channel)}", $"[green]{Count(count)}[/]");
        }

        table.AddRow($"  {words.Say("held out", "对照组")}", $"[blue]{Count(ledger.HeldOut)}[/]");
        foreach (var (reason, count) in ledger.Suppressed)
        {
            table.AddRow($"  {words.Name(reason)}", $"[grey]{Count(count)}[/]");
        }

        return table;
    }

    private static Table Funnel(IReadOnlyList<StepView> funnel, Words words)
    {
        var table = new Table().RoundedBorder().Title(words.Say("[bold]Funnel[/]", "[bold]漏斗[/]"));
        table.AddColumn(words.Say("step", "环节"));
        table.AddColumn(new TableColumn(words.Say("customers", "客户数")).RightAligned());
        table.AddColumn("");
        var most = Math.Max(1, funnel.Max(step => step.Unique));
        foreach (var step in funnel)
        {
            var length = (int)Math.Ceiling(40.0 * step.Unique / most);
            table.AddRow(
                Markup.Escape(words.Name(step.Metric)),
                Count(step.Unique),
                $"[green]{new string('█', length)}[/]"
            );
        }

        return table;
    }

    private static Table Lift(LiftView lift, Words words)
    {
        var table = new Table().RoundedBorder().Title(words.Say("[bold]Lift[/]", "[bold]增量[/]"));
        table.AddColumn("");
        table.AddColumn(new TableColumn(words.Say("customers", "客户数")).RightAligned());
        table.AddColumn(new TableColumn(words.Say("converted", "转化")).RightAligned());
        table.AddColumn(new TableColumn(words.Say("rate", "转化率")).RightAligned());
        Arm(words.Say("treated", "触达组"), lift.Treated);
        Arm(words.Say("held out", "对照组"), lift.Control);
        return table;

        void Arm(string name, ArmView arm) =>
            table.AddRow(name, Count(arm.Customers), Count(arm.Converted), arm.Rate is { } rate ? Percent(rate) : "–");
    }

    private static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    private static string Percent(double share) => (100 * share).ToString("0.00", CultureInfo.InvariantCulture) + " %";
}
