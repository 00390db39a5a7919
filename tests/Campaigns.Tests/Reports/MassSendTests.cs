using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Channels.WeChat;
using Campaigns.Receipts;
using Campaigns.Reports;
using Campaigns.Tests.Dispatch;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Reports;

/// <summary>What the provider counts of a mass send is shown with the wave it belongs to.</summary>
public sealed class MassSendTests
{
    [Fact]
    public async Task A_mass_send_of_which_fewer_were_sent_is_seen_at_its_wave_in_the_timetable_and_in_the_report()
    {
        await using var given = await GivenRun.CreateAsync(customers: 8);
        var run = await given.RunAsync(
            new RunSpec
            {
                Customers = Enumerable.Range(1, 8),
                Channels = [Channel.WeChat],
                ChunkSize = 4,
            }
        );
        await given.ExecuteAsync(
            "INSERT INTO run_ledger (run_key, step, reason, channel, variant, wave, customers) VALUES (@run, 1, 0, 2, 1, 1, 8)",
            new { run }
        );
        await given.ExecuteAsync("UPDATE wave SET touches = 8 WHERE run_key = @run AND wave = 1", new { run });
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.WeChat, "wechat-mass")]);
        await node.LaneAsync(run);
        await FinishedAsync($"{run}-1-1", "sendsuccess", filtered: 4, sent: 4, failed: 0);
        await FinishedAsync($"{run}-2-1", "err_10001", filtered: 3, sent: 1, failed: 2);
        await using var host = await ApiHost.StartAsync(given.Database);

        var wave = Assert.Single((await ReadAsync<CampaignSchedule>("schedule")).Waves);
        var report = await ReadAsync<CampaignReport>("report");
        var window = Assert.Single(report.ByWindow);

        Assert.Equal((2, 8, 7, 5, 2, 3), Figures(wave.MassSends!));
        Assert.Equal(["err_10001"], wave.MassSends!.Problems);
        Assert.Equal((2, 8, 7, 5, 2, 3), Figures(window.MassSends!));
        Assert.Equal(8, window.Sent.Accepted);
        Assert.Contains(ReportCsv.Lines(report), line => (line.Metric, line.Figure.Value) == ("notSent", 3));
        Assert.Empty(ReportCsv.Lines(report).Select(line => line.Metric).Except(Metrics.All.Select(one => one.Name)));
        var page = await host.As(Role.Analyst)
            .GetStringAsync(new Uri("/v1/campaigns/campaign-1/report?format=html", UriKind.Relative));
        Assert.Contains("data-metric=\"byWindow.0.massSends.notSent\">3<", page, StringComparison.Ordinal);

        Task FinishedAsync(string key, string status, int filtered, int sent, int failed) =>
            node.Get<ReceiptIntake>()
                .TakeMassSendAsync(
                    new MassSendFinished(
                        $"e/{key}",
                        $"id-{key}",
                        status,
                        4,
                        filtered,
                        sent,
                        failed,
                        DateTimeOffset.UtcNow
                    ),
                    CancellationToken.None
                );

        Task<T> ReadAsync<T>(string what) =>
            host.As(Role.Analyst)
                .GetAsync(new Uri($"/v1/campaigns/campaign-1/{what}", UriKind.Relative))
                .ReadAsync<T>();
    }

    private static (long, long, long, long, long, long) Figures(MassSendCounts counts) =>
        (counts.Calls, counts.Named, counts.Filtered, counts.SentTo, counts.Failed, counts.NotSent);
}
