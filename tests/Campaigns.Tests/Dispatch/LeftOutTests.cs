using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Planning;
using Campaigns.Receipts;

namespace Campaigns.Tests.Dispatch;

/// <summary>Touches that an answer leaves out, of a gateway that knows them by their keys: it may have them.</summary>
public sealed class LeftOutTests
{
    private static readonly Actor Operator = new("olga", Role.Operator);

    [Fact]
    public async Task They_are_asked_for_again_of_the_same_gateway_in_the_place_they_have()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var gateway = new ForgetfulGateway();
        var run = await given.RunAsync(
            new RunSpec
            {
                Customers = Enumerable.Range(1, 5),
                Caps = new FrequencyCaps { PerDay = 1, MinimumGap = TimeSpan.FromDays(1) },
            }
        );
        await using var node = new Node(given.DataSource, [gateway.Scripted]);
        await node.LaneAsync(run);
        Assert.Equal("accepted 3, attempted 2", await given.StatesAsync(run));
        gateway.Remembers();

        await given.PassAsync(TimeSpan.FromMinutes(1));
        await node.LaneAsync(run);

        Assert.Equal("accepted 5", await given.StatesAsync(run));
        Assert.Equal(2, gateway.Scripted.Requests);
        Assert.Equal(5, gateway.Scripted.Ledger.Count);
        Assert.Equal(5, await given.AskAsync<int>("SELECT sum(contacts)::int FROM contact"));
    }

    [Fact]
    public async Task Refused_the_second_time_they_give_their_place_back()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var gateway = new ForgetfulGateway();
        var run = await given.RunAsync(
            new RunSpec
            {
                Customers = Enumerable.Range(1, 5),
                Caps = new FrequencyCaps { PerDay = 1 },
            }
        );
        await using var node = new Node(given.DataSource, [gateway.Scripted]);
        await node.LaneAsync(run);
        gateway.Answers(new ItemResult(SendState.Rejected, "blacklisted", null));

        await given.PassAsync(TimeSpan.FromMinutes(1));
        await node.LaneAsync(run);

        Assert.Equal("accepted 3, failed 2", await given.StatesAsync(run));
        Assert.Equal(3, await given.AskAsync<int>("SELECT sum(contacts)::int FROM contact"));
    }

    [Fact]
    public async Task They_are_not_asked_for_by_another_gateway()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var (run, _) = await GivenLeftOutAsync(given);
        var other = new ScriptedGateway(Channel.Sms, "other");
        await using var after = new Node(given.DataSource, [other]);

        await after.LaneAsync(run);

        Assert.Equal(0, other.Requests);
        Assert.Equal("accepted 3, unknown 2", await given.StatesAsync(run));
    }

    [Fact]
    public async Task They_are_not_asked_for_when_the_gateway_has_forgotten_their_keys()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var gateway = new ForgetfulGateway();
        gateway.Scripted.Declaration = gateway.Scripted.Declaration with { DedupePeriod = TimeSpan.FromMinutes(2) };
        var (run, _) = await GivenLeftOutAsync(given, gateway);
        await given.PassAsync(TimeSpan.FromMinutes(2));
        await using var node = new Node(given.DataSource, [gateway.Scripted]);

        await node.LaneAsync(run);

        Assert.Equal(1, gateway.Scripted.Requests);
        Assert.Equal("accepted 3, unknown 2", await given.StatesAsync(run));
    }

    [Fact]
    public async Task A_repeat_of_asking_again_is_bound_to_the_first_time_as_well()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var gateway = new ForgetfulGateway();
        gateway.Scripted.Declaration = gateway.Scripted.Declaration with { DedupePeriod = TimeSpan.FromMinutes(5) };
        var (run, node) = await GivenLeftOutAsync(given, gateway);
        gateway.Scripted.Answer = _ => Task.FromResult<SendResult>(new SendResult.Unanswered("cut"));
        await node.LaneAsync(run);
        await given.PassAsync(TimeSpan.FromMinutes(4.5));

        await node.LaneAsync(run);

        Assert.Equal(2, gateway.Scripted.Requests);
        Assert.Equal("accepted 3, unknown 2", await given.StatesAsync(run));
    }

    [Fact]
    public async Task Without_a_try_that_fits_the_window_they_are_unknown_at_once()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var gateway = new ForgetfulGateway();
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 5) });
        await given.PassAsync(TimeSpan.FromMinutes(58.7));
        await using var node = new Node(given.DataSource, [gateway.Scripted]);

        await node.LaneAsync(run);

        Assert.Equal("accepted 3, unknown 2", await given.StatesAsync(run));
        Assert.Equal("finished", await given.AskAsync<string>("SELECT state FROM campaign"));
    }

    [Fact]
    public async Task Refused_for_now_the_second_time_they_are_as_unknown_as_before()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var gateway = new ForgetfulGateway();
        var (run, node) = await GivenLeftOutAsync(given, gateway);
        gateway.Answers(new ItemResult(SendState.Retryable, "busy", null));
        await node.LaneAsync(run);
        Assert.Equal("accepted 3, attempted 2", await given.StatesAsync(run));
        await given.PassAsync(TimeSpan.FromHours(1));

        await node.SweepAsync();

        Assert.Equal("accepted 3, unknown 2", await given.StatesAsync(run));
    }

    [Fact]
    public async Task Whatever_keeps_them_back_then_they_are_unknown()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var (run, node) = await GivenLeftOutAsync(given);
        await given.ExecuteAsync("UPDATE contact SET opted_out = 1 WHERE customer_key = 4");
        await node.Control.PauseAsync("campaign-1", Operator, default);
        await node.Control.ResumeAsync("campaign-1", Overdue.Send, Operator, default);
        await node.LaneAsync(run);

        Assert.Equal("accepted 4, unknown 1", await given.StatesAsync(run));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Neither_cancelled_nor_rolled_they_are_unknown(bool cancelled)
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var (run, node) = await GivenLeftOutAsync(given, windows: 2);

        if (cancelled)
        {
            await node.Control.CancelAsync("campaign-1", Operator, default);
        }
        else
        {
            await given.PassAsync(TimeSpan.FromHours(2));
            await node.SweepAsync();
        }

        Assert.Equal("accepted 3, unknown 2", await given.StatesAsync(run));
    }

    [Fact]
    public async Task A_receipt_says_that_they_went_and_nobody_asks_again()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var gateway = new ForgetfulGateway();
        var (run, node) = await GivenLeftOutAsync(given, gateway);
        var request = gateway.Scripted.Ledger[0].RequestKey;
        await node.Get<ReceiptIntake>().TakeAsync(Channel.Sms, [Delivered(request, 4)], default);
        await node.Control.CancelAsync("campaign-1", Operator, default);
        Assert.Equal("accepted 3, delivered 1, unknown 1", await given.StatesAsync(run));

        await node.Get<ReceiptIntake>().TakeAsync(Channel.Sms, [Delivered(request, 5)], default);

        Assert.Equal("accepted 3, delivered 2", await given.StatesAsync(run));
    }

    private static ProviderReceipt Delivered(string request, long customer) =>
        new(
            "p",
            $"{request}/{customer}",
            request,
            null,
            GivenRun.Address(customer, Channel.Sms),
            ReceiptState.Delivered,
            null,
            DateTimeOffset.UtcNow
        );

    /// <summary>Three of five are accepted, two left out; it is time to ask again.</summary>
    private static async Task<(int Run, Node Node)> GivenLeftOutAsync(
        GivenRun given,
        ForgetfulGateway? gateway = null,
        int windows = 1
    )
    {
        gateway ??= new ForgetfulGateway();
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 5), Windows = windows });
        var node = new Node(given.DataSource, [gateway.Scripted]);
        await node.LaneAsync(run);
        gateway.Remembers();
        await given.PassAsync(TimeSpan.FromMinutes(1));
        return (run, node);
    }

    /// <summary>Takes all, and says so of the first three alone.</summary>
    private sealed class ForgetfulGateway
    {
        internal ForgetfulGateway()
        {
            Scripted = new ScriptedGateway(Channel.Sms);
            Scripted.Declaration = Scripted.Declaration with { KnowsTouches = true };
            Scripted.Answer = request =>
            {
                var items = request.Items.Select(item => Scripted.Accept(request, item)).ToArray();
                for (var i = 3; i < items.Length; i++)
                {
                    items[i] = new ItemResult(SendState.Unknown, "unanswered", null);
                }

                return Task.FromResult<SendResult>(new SendResult.Answered(items));
            };
        }

        internal ScriptedGateway Scripted { get; }

        /// <summary>It says what it did, and takes nothing twice.</summary>
        internal void Remembers() => Answers(new ItemResult(SendState.Accepted, null, "again"));

        internal void Answers(ItemResult item) =>
            Scripted.Answer = request =>
                Task.FromResult<SendResult>(new SendResult.Answered([.. request.Items.Select(_ => item)]));
    }
}
