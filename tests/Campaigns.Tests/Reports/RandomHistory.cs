using System.Text.Json;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Dispatch;
using Campaigns.Outcomes;
using Campaigns.Receipts;
using Campaigns.Tests.Dispatch;
using Dapper;
using Microsoft.Extensions.Logging.Abstractions;

namespace Campaigns.Tests.Reports;

/// <summary>A run to which anything happens, in any order: providers that take, refuse, throttle or do not answer, receipts
/// that come twice and contradict, opens before the send, conversions and what takes them back, pauses and shifts.</summary>
internal sealed class RandomHistory : IAsyncDisposable
{
    private static readonly Actor Backend = new("core", Role.Backend);
    private static readonly Actor Operator = new("olga", Role.Operator);
    private static readonly DateTimeOffset Friday = new(2030, 3, 8, 22, 0, 0, TimeSpan.FromHours(8));
    private static readonly Channel[] Channels = [Channel.Sms, Channel.WeChat];

    private readonly GivenRun _given;
    private readonly Random _random;
    private readonly int _customers;
    private int _ids;

    private RandomHistory(GivenRun given, Random random, int customers) =>
        (_given, _random, _customers) = (given, random, customers);

    public GivenRun Given => _given;
    public int Run { get; private set; }

    /// <param name="everyTime">Whether every conversion counts.</param>
    public static async Task<RandomHistory> CreateAsync(int seed, int customers, bool everyTime = false)
    {
        var given = await GivenRun.CreateAsync(customers);
        var history = new RandomHistory(given, new Random(seed), customers);
        await given.AtAsync(Friday);
        history.Run = await given.RunAsync(
            new RunSpec
            {
                Customers = Enumerable.Range(1, customers),
                Channels = Channels,
                Windows = 2,
                ChunkSize = 9,
            }
        );
        await given.ExecuteAsync(
            """
            UPDATE decision SET reason = 21, variant = NULL WHERE customer_key % 6 = 0;
            INSERT INTO run_ledger (run_key, step, reason, channel, variant, wave, customers)
            SELECT run_key, 1, reason, coalesce(channel, 0), coalesce(variant, 0), coalesce(wave, 0), count(*)
            FROM decision
            GROUP BY 1, 3, 4, 5, 6
            """
        );
        await given.ExecuteAsync(
            $"UPDATE run SET plan = jsonb_set(plan, '{{goal,everyTime}}', '{(everyTime ? "true" : "false")}')"
        );
        return history;
    }

    public ValueTask DisposeAsync() => _given.DisposeAsync();

    /// <summary>A few things at once.</summary>
    public Task StepAsync() => Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(AnyAsync)));

    /// <summary>Business time passes, and what it makes due is found.</summary>
    public async Task PassAsync()
    {
        await _given.PassAsync(Pick([TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(25), TimeSpan.FromHours(11)]));
        await _given.ExecuteAsync(
            "UPDATE channel_state SET stopped = false, not_before = NULL; UPDATE chunk SET leased_until = NULL"
        );
        await using var node = NewNode();
        if (Next(4) == 0)
        {
            await node.Control.PauseAsync("campaign-1", Operator, default);
            await _given.PassAsync(TimeSpan.FromMinutes(20));
            await node.Control.ResumeAsync("campaign-1", Pick([Overdue.Send, Overdue.Shift]), Operator, default);
        }

        await node.SweepAsync();
        await node.Get<ReceiptSweep>().RunAsync(default);
    }

    private Task AnyAsync() =>
        Next(7) switch
        {
            0 or 1 => SendAsync(wave: 1 + Next(2 * Channels.Length)),
            2 => ReceiveAsync(),
            3 => EngageAsync(),
            4 or 5 => BuyAsync(),
            _ => FoldAsync(),
        };

    private async Task FoldAsync()
    {
        await new EarlyEvents(_given.DataSource, NullLogger<EarlyEvents>.Instance) { MostTogether = 7 }.CountAsync(
            default
        );
        await new Fold(_given.DataSource).RunAsync(default);
    }

    /// <summary>A lane works the wave.</summary>
    public async Task SendAsync(int wave)
    {
        await using var node = NewNode();
        await node.LaneAsync(Run, wave);
    }

    private Node NewNode() => new(_given.DataSource, [.. Channels.Select(NewGateway)]);

    private IGateway NewGateway(Channel channel)
    {
        var gateway = new ScriptedGateway(channel);
        gateway.Declaration = gateway.Declaration with
        {
            MaxBatch = 4,
            Dedupe = channel == Channel.Sms ? Dedupe.None : Dedupe.Key,
        };
        gateway.Answer = request => Task.FromResult(Answer(request));
        return gateway;
    }

    private SendResult Answer(SendRequest request) =>
        Next(10) switch
        {
            0 => new SendResult.Throttled(TimeSpan.FromMilliseconds(1)),
            1 when request.Items.Count > 1 => new SendResult.Spoiled("spoiled"),
            2 => new SendResult.Unanswered("cut"),
            _ => new SendResult.Answered([.. request.Items.Select(_ => Answer(request.Key))]),
        };

    private ItemResult Answer(string key) =>
        Pick(Enum.GetValues<SendState>()) switch
        {
            SendState.Accepted => new ItemResult(SendState.Accepted, null, $"id-{key}"),
            var other => new ItemResult(other, "code", null),
        };

    /// <summary>Receipts of some that were attempted, of each channel.</summary>
    public async Task ReceiveAsync()
    {
        await using var connection = await _given.DataSource.OpenConnectionAsync();
        var now = await BusinessClock.NowAsync(connection);
        var sent = (
            await connection.QueryAsync<(string Key, short Channel, long Customer)>(
                """
                SELECT request_key, channel, customer_key
                FROM attempt, unnest(customer_keys) AS m (customer_key)
                WHERE request_key IS NOT NULL
                """
            )
        ).AsList();
        foreach (var channel in Channels)
        {
            var mine = sent.Where(one => one.Channel == (short)channel).ToArray();
            if (mine.Length > 0)
            {
                var receipts = Enumerable.Range(0, 8).Select(_ => Receipt(channel, Pick(mine), now)).ToArray();
                await using var node = NewNode();
                await node.Get<ReceiptIntake>().TakeAsync(channel, receipts, default);
            }
        }
    }

    private ProviderReceipt Receipt(Channel channel, (string Key, short, long Customer) sent, DateTimeOffset now)
    {
        var state = Pick([ReceiptState.Delivered, ReceiptState.Failed]);
        var address = GivenRun.Address(sent.Customer, channel);
        var at = now - TimeSpan.FromHours(Next(30));
        return new("p", $"{sent.Key}/{sent.Customer}/{state}", sent.Key, null, address, state, null, at);
    }

    private async Task EngageAsync()
    {
        var now = await new BusinessClock(_given.DataSource).NowAsync(default);
        var entries = Enumerable
            .Range(0, 6)
            .Select(_ => new EngagementEntry(
                "app",
                $"g-{Next(200)}",
                "campaign-1",
                $"c{Next(_customers) + 1}",
                Pick(Enum.GetValues<EngagementKind>()),
                now - TimeSpan.FromHours(Next(30))
            ))
            .ToArray();
        var recorded = await new Engagements(new EventIntake(_given.DataSource)).RecordAsync(Backend, entries, default);
        _ = recorded.Value;
    }

    private async Task BuyAsync()
    {
        var now = await new BusinessClock(_given.DataSource).NowAsync(default);
        var entries = Enumerable
            .Range(0, 6)
            .Select(_ =>
            {
                var customer = Next(_customers) + 1;
                var at = now - TimeSpan.FromHours(Next(30));
                return Next(4) == 0
                    ? new EventEntry("core", $"r-{Interlocked.Increment(ref _ids)}", $"c{customer}", "closed", at)
                    {
                        Attributes = new Dictionary<string, JsonElement>
                        {
                            [EventNames.Reverses] = JsonSerializer.SerializeToElement($"b-{customer}-{Next(2)}"),
                        },
                    }
                    : new EventEntry("core", $"b-{customer}-{Next(2)}", $"c{customer}", "bought", at, Next(90), "CNY");
            })
            .ToArray();
        var recorded = await new EventIntake(_given.DataSource).RecordAsync(
            Backend,
            entries,
            (connection, batch, at) => Conversions.CountAsync(connection, batch.Stored, at, default),
            default
        );
        _ = recorded.Value;
    }

    private T Pick<T>(IReadOnlyList<T> choices) => choices[Next(choices.Count)];

    // Many things happen at once, and one Random is for one at a time.
    private int Next(int below)
    {
        lock (_random)
        {
            return _random.Next(below);
        }
    }
}
