using System.Globalization;

namespace Campaigns.Demo;

/// <summary>The way of a campaign, told by the people of a bank through the HTTP API.</summary>
internal sealed class Story(
    ICustomerSource source,
    Service service,
    SimulatorProcess provider,
    Screen screen,
    CancellationToken stopping
)
{
    // Of the twelve that the windows of three days have: time is left for what has to be tried again.
    private const int HoursOfSending = 10;
    private const string Campaign = $"/v1/campaigns/{PaydayCampaign.Id}";
    private static readonly TimeSpan China = TimeSpan.FromHours(8);

    private readonly Words _words = screen.Words;

    /// <summary>Opens the report without a key; path and query.</summary>
    public string ReportLink { get; private set; } = "";

    public async Task<Figures> TellAsync()
    {
        var credential = (await File.ReadAllTextAsync(service.AdminKeyFile, stopping)).Trim();
        using var admin = new Person(service.Address, credential);
        using var backend = await admin.MakeAsync("backend", "core banking", stopping);
        using var marketer = await admin.MakeAsync("marketer", "李经理", stopping);
        using var approver = await admin.MakeAsync("approver", "王总", stopping);
        using var analyst = await admin.MakeAsync("analyst", "陈分析师", stopping);

        await TakeInAsync(marketer, backend);
        await DraftAsync(marketer, approver);
        await PlanAsync(marketer);
        var days = new Days(service, provider, marketer, stopping);
        await screen.PhaseAsync("sending", _words.Say("Three days of sending", "三天发送"), days.PassAsync);
        var outcomes = new Outcomes(source, provider, backend, analyst, stopping);
        await screen.PhaseAsync(
            "outcomes",
            _words.Say("Receipts, opens, clicks, conversions", "回执、打开、点击、转化"),
            progress => outcomes.HappenAsync(days, progress)
        );
        return await ReportAsync(analyst, outcomes);
    }

    private Task TakeInAsync(Person marketer, Person backend)
    {
        var count = source.Count.ToString("N0", CultureInfo.InvariantCulture);
        return screen.PhaseAsync(
            "customers",
            _words.Say($"{count} customers", $"{count} 位客户"),
            async progress =>
            {
                foreach (var field in source.Fields)
                {
                    await marketer.PutAsync<object>($"/v1/fields/{field.Name}", field.Body, stopping);
                }

                await backend.PutAsync<object>("/v1/imports/mappings/bank", source.Mapping, stopping);
                using var file = new CustomerFile(source, n => progress.Report(0.5 * n / source.Count));
                var received = await backend.UploadAsync<OperationView<ImportView>>(
                    "/v1/imports/customers?mapping=bank",
                    file,
                    stopping
                );
                var import = await FinishAsync(
                    backend,
                    received,
                    one => progress.Report(0.5 + (0.5 * one.Done / Math.Max(1, one.Total ?? source.Count)))
                );
                TellRefused(import);
            }
        );
    }

    private async Task<T> FinishAsync<T>(
        Person person,
        OperationView<T> operation,
        Action<OperationView<T>>? watch = null
    )
        where T : class
    {
        while (operation.State == "running")
        {
            watch?.Invoke(operation);
            await Task.Delay(TimeSpan.FromMilliseconds(100), stopping);
            operation = await person.GetAsync<OperationView<T>>($"/v1/operations/{operation.Id}", stopping);
        }

        return operation is { State: "succeeded", Result: { } result }
            ? result
            : throw new DemoException($"{operation.Id} failed: {operation.Failure?.Detail}");
    }

    private void TellRefused(ImportView import)
    {
        if (import.ErrorCount > 0)
        {
            var first = import.Errors[0];
            Screen.Line(
                _words.Say(
                    $"{import.ErrorCount} rows were refused; the first: line {first.Line}, {first.Column}: {first.Reason}",
                    $"{import.ErrorCount} 行被拒绝；第一行：第 {first.Line} 行，{first.Column}：{first.Reason}"
                )
            );
        }
    }

    private async Task DraftAsync(Person marketer, Person approver) =>
        await screen.PhaseAsync(
            "preview",
            _words.Say("Segments, templates, preview, approval", "客群、模板、预览、审批"),
            async () =>
            {
                foreach (var (id, body) in PaydayCampaign.Templates)
                {
                    await marketer.PutAsync<object>($"/v1/templates/{id}", body, stopping);
                }

                foreach (var (id, body) in source.Segments)
                {
                    await marketer.PutAsync<object>($"/v1/segments/{id}", body, stopping);
                }

                var tomorrow = (await service.Clock.NowAsync(stopping)).ToOffset(China).AddDays(1);
                var from = DateOnly.FromDateTime(tomorrow.DateTime);
                await marketer.PutAsync<CampaignView>(Campaign, PaydayCampaign.Campaign(from, null), stopping);
                var asked = await marketer.PostAsync<OperationView<PreviewView>>($"{Campaign}/preview", null, stopping);
                var preview = await FinishAsync(marketer, asked);
                if (preview.Ledger.Touches == 0)
                {
                    throw new DemoException("Nobody would be touched: the audience is empty, or has no consent.");
                }

                var pacePerHour = Math.Max(1, preview.Ledger.Touches / HoursOfSending);
                await marketer.PutAsync<CampaignView>(Campaign, PaydayCampaign.Campaign(from, pacePerHour), stopping);
                var submitted = await marketer.PostAsync<CampaignView>(
                    $"{Campaign}/submit",
                    new { expectedAudience = preview.Ledger.Audience },
                    stopping
                );
                await approver.PostAsync<CampaignView>(
                    $"{Campaign}/approve",
                    new { comment = "同意" },
                    stopping,
                    submitted.Version
                );
            }
        );

    private Task PlanAsync(Person marketer) =>
        screen.PhaseAsync(
            "planning",
            _words.Say("Planning", "规划"),
            async progress =>
            {
                await marketer.PostAsync<object>($"{Campaign}/launch", null, stopping);
                RunView run;
                do
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(100), stopping);
                    run = await marketer.GetAsync<RunView>($"{Campaign}/run", stopping);
                    progress.Report(run.Parts == 0 ? 0 : 0.95 * run.PartsPlanned / run.Parts);
                } while (run.State == "planning");
                if (run.State == "stopped")
                {
                    throw new DemoException($"The run stopped: {run.Failure}");
                }
            }
        );

    // A report says up to when everything is counted, which is a moment ago.
    private async Task<ReportView> CompleteReportAsync(Person analyst)
    {
        var told = await service.Clock.NowAsync(stopping);
        while (true)
        {
            var report = await analyst.GetAsync<ReportView>($"{Campaign}/report", stopping);
            if (report.ComputedThrough >= told)
            {
                return report;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), stopping);
        }
    }

    private async Task<Figures> ReportAsync(Person analyst, Outcomes outcomes)
    {
        ReportView? report = null;
        await screen.PhaseAsync(
            "report",
            _words.Say("Report", "报告"),
            async () =>
            {
                report = await CompleteReportAsync(analyst);
                var link = await analyst.PostAsync<LinkView>($"{Campaign}/report/link", null, stopping);
                ReportLink = link.Url;
            }
        );
        var (ledger, lift) = (report!.Ledger, report.Lift);
        Drawing.Draw(report, screen.Words);
        return new Figures(
            service.Engine,
            ledger.Audience,
            ledger.HeldOut,
            ledger.Suppressed,
            ledger.Touches,
            ledger.TouchesByChannel,
            ledger.TouchesByState,
            lift.Treated.Conversions + lift.Control.Conversions,
            new Interval(lift.Difference.Value, lift.Difference.Low, lift.Difference.High),
            lift.Treated.Customers == 0 ? 0 : Outcomes.Uplift * outcomes.Reached / lift.Treated.Customers,
            screen.Seconds
        );
    }
}
