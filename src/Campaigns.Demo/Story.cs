using System.Globalization;

namespace Campaigns.Demo;

/// <summary>The way of a campaign, told by the people of a bank through the HTTP API.</summary>
internal sealed class Story(
    Service service,
    SimulatorProcess provider,
    DemoOptions options,
    Screen screen,
    CancellationToken stopping
)
{
    private const int Batch = 1_000;

    // A quarter of the customers gets a message, and the three days have twelve hours of send windows.
    private const int CustomersPerHour = 36;
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
        var outcomes = new Outcomes(options.Customers, provider, backend, stopping);
        await screen.PhaseAsync(
            "outcomes",
            _words.Say("Receipts, opens, clicks, conversions", "回执、打开、点击、转化"),
            progress => outcomes.HappenAsync(days, progress)
        );
        return await ReportAsync(analyst, outcomes);
    }

    private async Task TakeInAsync(Person marketer, Person backend)
    {
        var today = DateOnly.FromDateTime((await service.Clock.NowAsync(stopping)).ToOffset(China).DateTime);
        var count = options.Customers.ToString("N0", CultureInfo.InvariantCulture);
        await screen.PhaseAsync(
            "customers",
            _words.Say($"{count} customers", $"{count} 位客户"),
            async progress =>
            {
                foreach (var field in Bank.Fields)
                {
                    await marketer.PutAsync<object>($"/v1/fields/{field.Name}", field.Body, stopping);
                }

                await BatchesAsync(
                    numbers =>
                        backend.PostAsync<BatchView>(
                            "/v1/customers",
                            new { customers = numbers.Select(n => Bank.Customer(n, today)) },
                            stopping
                        ),
                    progress
                );
            }
        );
        await screen.PhaseAsync(
            "consents",
            _words.Say("Consents", "授权"),
            progress =>
                BatchesAsync(
                    async numbers =>
                    {
                        foreach (var some in numbers.SelectMany(Bank.Consents).Chunk(Batch))
                        {
                            await backend.PostAsync<BatchView>("/v1/consents", new { consents = some }, stopping);
                        }
                    },
                    progress
                )
        );
    }

    private async Task BatchesAsync(Func<long[], Task> take, IProgress<double> progress)
    {
        var done = 0;
        var batches = Enumerable.Range(1, options.Customers).Select(n => (long)n).Chunk(Batch);
        await Parallel.ForEachAsync(
            batches,
            new ParallelOptions { MaxDegreeOfParallelism = 3, CancellationToken = stopping },
            async (numbers, _) =>
            {
                await take(numbers);
                progress.Report((double)Interlocked.Add(ref done, numbers.Length) / options.Customers);
            }
        );
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

                foreach (var (id, body) in PaydayCampaign.Segments(PaydayCampaign.Rule))
                {
                    await marketer.PutAsync<object>($"/v1/segments/{id}", body, stopping);
                }

                var tomorrow = (await service.Clock.NowAsync(stopping)).ToOffset(China).AddDays(1);
                await marketer.PutAsync<CampaignView>(
                    Campaign,
                    PaydayCampaign.Campaign(
                        DateOnly.FromDateTime(tomorrow.DateTime),
                        Math.Max(1, options.Customers / CustomersPerHour)
                    ),
                    stopping
                );
                var preview = await marketer.PostAsync<PreviewView>($"{Campaign}/preview", null, stopping);
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
