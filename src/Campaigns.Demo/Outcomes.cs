using System.Collections;

namespace Campaigns.Demo;

/// <summary>What customers do. They know nothing of arms: everyone may convert by the base rate, and whoever got a message
/// is somewhat more likely to, so the holdout shows what would have happened anyway.</summary>
internal sealed class Outcomes(
    ICustomerSource source,
    SimulatorProcess provider,
    Person backend,
    Person analyst,
    CancellationToken stopping
)
{
    /// <summary>How much likelier somebody with a message converts.</summary>
    public const double Uplift = 0.035;

    private const double BaseRate = 0.04;
    private const double OpenRate = 0.34;
    private const double ClickRate = 0.12;
    private const int Batch = 1_000;

    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(2.5);

    private readonly BitArray _reached = new(source.Count + 1);

    /// <summary>How many customers the provider accepted a message for.</summary>
    public long Reached { get; private set; }

    /// <summary>Receipts come in, messages are opened and clicked; then the goal's days pass, and conversions come in.
    /// </summary>
    public async Task HappenAsync(Days days, IProgress<double> progress)
    {
        await provider.FlushAsync(stopping);
        await ReceiptsAsync();
        progress.Report(0.2);
        var end = days.FirstOpening + PaydayCampaign.GoalWindow;
        await days.MoveToAsync(end);
        await EngageAsync();
        progress.Report(0.5);
        var between = end - days.LastOpening;
        await ConvertAsync(n => days.LastOpening + (0.98 * Chance.Of(n, "when") * between), progress);
    }

    // Some of the providers' receipts have to be asked for, and some never come.
    private async Task ReceiptsAsync()
    {
        var (received, since) = (-1L, TimeProvider.System.GetTimestamp());
        while (TimeProvider.System.GetElapsedTime(since) < Quiet)
        {
            var report = await analyst.GetAsync<ReportView>($"/v1/campaigns/{PaydayCampaign.Id}/report", stopping);
            var now =
                report.Ledger.TouchesByState.GetValueOrDefault("delivered")
                + report.Ledger.TouchesByState.GetValueOrDefault("failed");
            if (now != received)
            {
                (received, since) = (now, TimeProvider.System.GetTimestamp());
            }

            await Task.Delay(TimeSpan.FromMilliseconds(500), stopping);
        }
    }

    private async Task EngageAsync()
    {
        var engagements = new List<object>(Batch);
        await foreach (var sent in provider.LedgerAsync(stopping))
        {
            if (sent.Outcome != "accepted" || source.Owner(sent.Channel, sent.Address) is not { } n)
            {
                continue;
            }

            if (!_reached[n])
            {
                _reached[n] = true;
                Reached++;
            }

            if (sent.Fate != "delivered" || sent.Channel == "sms" || Chance.Of(n, "opens") >= OpenRate)
            {
                continue;
            }

            engagements.Add(Engagement(n, "opened", sent.At.AddMinutes(1 + Chance.Below(90, n, "opened"))));
            if (Chance.Of(n, "clicks") < ClickRate / OpenRate)
            {
                engagements.Add(Engagement(n, "clicked", sent.At.AddMinutes(92 + Chance.Below(20, n, "clicked"))));
            }

            if (engagements.Count >= Batch - 1)
            {
                await SendAsync("/v1/engagements", new { engagements });
                engagements.Clear();
            }
        }

        if (engagements.Count > 0)
        {
            await SendAsync("/v1/engagements", new { engagements });
        }
    }

    private async Task ConvertAsync(Func<int, DateTimeOffset> when, IProgress<double> progress)
    {
        foreach (var some in Converting().Chunk(Batch))
        {
            await SendAsync(
                "/v1/conversions",
                new
                {
                    conversions = some.Select(n => new
                    {
                        source = "core-banking",
                        id = $"savings-{n}",
                        customerId = source.Id(n),
                        name = PaydayCampaign.Goal,
                        occurredAt = when(n),
                        amount = 100 * (1 + Chance.Below(50, n, "amount")),
                        currency = "CNY",
                    }),
                }
            );
            progress.Report(0.5 + (0.5 * some[^1] / source.Count));
        }
    }

    private IEnumerable<int> Converting()
    {
        for (var n = 1; n <= source.Count; n++)
        {
            if (Chance.Of(n, "converts") < BaseRate + (_reached[n] ? Uplift : 0))
            {
                yield return n;
            }
        }
    }

    private Task SendAsync(string path, object body) => backend.PostAsync<BatchView>(path, body, stopping);

    private object Engagement(int n, string kind, DateTimeOffset occurredAt) =>
        new
        {
            source = "mobile-bank",
            id = $"{kind}-{n}",
            campaignId = PaydayCampaign.Id,
            customerId = source.Id(n),
            kind,
            occurredAt,
        };
}
