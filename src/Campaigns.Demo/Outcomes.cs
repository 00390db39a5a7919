using System.Collections;

namespace Campaigns.Demo;

/// <summary>What customers do. They know nothing of arms: everyone may convert by the base rate, and whoever got a message
/// is somewhat more likely to, so the holdout shows what would have happened anyway.</summary>
internal sealed class Outcomes(int customers, SimulatorProcess provider, Person backend, CancellationToken stopping)
{
    /// <summary>How much likelier somebody with a message converts.</summary>
    public const double Uplift = 0.035;

    private const double BaseRate = 0.04;
    private const double OpenRate = 0.34;
    private const double ClickRate = 0.12;
    private const int Batch = 1_000;

    private readonly BitArray _reached = new(customers + 1);

    /// <summary>How many customers the provider accepted a message for.</summary>
    public long Reached { get; private set; }

    /// <summary>Receipts come in, messages are opened and clicked; then the goal's days pass, and conversions come in.
    /// </summary>
    public async Task HappenAsync(Days days, IProgress<double> progress)
    {
        await provider.FlushAsync(stopping);
        var end = days.FirstOpening + PaydayCampaign.GoalWindow;
        await days.MoveToAsync(end);
        await EngageAsync();
        progress.Report(0.5);
        var between = end - days.LastOpening;
        await ConvertAsync(n => days.LastOpening + (0.98 * Chance.Of(n, "when") * between), progress);
    }

    private async Task EngageAsync()
    {
        var engagements = new List<object>(Batch);
        await foreach (var sent in provider.LedgerAsync(stopping))
        {
            if (sent.Outcome != "accepted" || Bank.Owner(sent.Channel, sent.Address) is not { } n || n > customers)
            {
                continue;
            }

            if (!_reached[(int)n])
            {
                _reached[(int)n] = true;
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

    private async Task ConvertAsync(Func<long, DateTimeOffset> when, IProgress<double> progress)
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
                        customerId = Bank.Id(n),
                        name = PaydayCampaign.Goal,
                        occurredAt = when(n),
                        amount = 100 * (1 + Chance.Below(50, n, "amount")),
                        currency = "CNY",
                    }),
                }
            );
            progress.Report(0.5 + (0.5 * some[^1] / customers));
        }
    }

    private IEnumerable<long> Converting()
    {
        for (var n = 1; n <= customers; n++)
        {
            if (Chance.Of(n, "converts") < BaseRate + (_reached[n] ? Uplift : 0))
            {
                yield return n;
            }
        }
    }

    private Task SendAsync(string path, object body) => backend.PostAsync<BatchView>(path, body, stopping);

    private static object Engagement(long n, string kind, DateTimeOffset occurredAt) =>
        new
        {
            source = "mobile-bank",
            id = $"{kind}-{n}",
            campaignId = PaydayCampaign.Id,
            customerId = Bank.Id(n),
            kind,
            occurredAt,
        };
}
