using Campaigns.Calendar;
using Campaigns.Channels;

namespace Campaigns.Tests.Dispatch;

/// <summary>R14 of customers whose time zone is another than when they were planned. All were planned for Shanghai; the
/// bank's hours are 08:00 to 20:00.</summary>
public sealed class MovedCustomerTests
{
    // 08:00 in Karachi, and 11:00 in Shanghai.
    private static readonly DateTimeOffset EightInKarachi = new(2026, 6, 10, 3, 0, 0, TimeSpan.Zero);

    // 20:00 in Tokyo, and 19:00 in Shanghai.
    private static readonly DateTimeOffset EightInTokyo = new(2026, 6, 10, 11, 0, 0, TimeSpan.Zero);

    private static readonly RunSpec Spec = new() { Hours = new ContactHours() };

    [Theory]
    [InlineData(Purpose.Marketing)]
    [InlineData(Purpose.Servicing)]
    public async Task R14_who_has_moved_waits_for_the_hours_of_where_she_is(Purpose purpose)
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.AtAsync(EightInKarachi.AddMinutes(-2));
        var run = await given.RunAsync(Spec with { Purpose = purpose });
        await MoveAsync(given, "Asia/Karachi", customers: 3);
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);

        Assert.Equal("accepted 17, planned 3", await given.StatesAsync(run));
        Assert.Equal(
            EightInKarachi,
            await given.AskAsync<DateTimeOffset>("SELECT min(due_at) FROM chunk WHERE state = 0")
        );
        await given.AtAsync(EightInKarachi);
        await node.LaneAsync(run);
        Assert.Equal("accepted 20", await given.StatesAsync(run));
        Assert.Equal(20, gateway.Ledger.Select(one => one.Address).Distinct().Count());
    }

    [Fact]
    public async Task R14_what_her_evening_leaves_no_time_for_rolls_to_the_next_window()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.AtAsync(EightInTokyo.AddMinutes(-40));
        var run = await given.RunAsync(Spec with { Windows = 2 }); // an hour each, the next a day later
        await MoveAsync(given, "Asia/Tokyo", customers: 3);
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        await given.AtAsync(EightInTokyo);
        await node.LaneAsync(run);
        Assert.Equal("accepted 17, planned 3", await given.StatesAsync(run));

        await given.AtAsync(EightInTokyo.AddMinutes(30));
        await node.SweepAsync();
        await given.AtAsync(EightInTokyo.AddDays(1).AddMinutes(-40));
        await node.LaneAsync(run, wave: 2);

        Assert.Equal("accepted 20", await given.StatesAsync(run));
    }

    [Fact]
    public async Task R14_what_her_hours_leave_no_window_for_expires()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.AtAsync(EightInTokyo);
        var run = await given.RunAsync(Spec);
        await MoveAsync(given, "Asia/Tokyo", customers: 3);
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        await node.LaneAsync(run);
        await given.PassAsync(TimeSpan.FromHours(1));
        await node.SweepAsync();

        Assert.Equal("accepted 17, expired 3", await given.StatesAsync(run));
    }

    [Fact]
    public async Task R14_in_time_before_her_evening_she_is_sent_to()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.AtAsync(EightInTokyo.AddMinutes(-5));
        var run = await given.RunAsync(Spec);
        await MoveAsync(given, "Asia/Tokyo", customers: 3);
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        await node.LaneAsync(run);

        Assert.Equal("accepted 20", await given.StatesAsync(run));
    }

    [Fact]
    public async Task R14_what_was_left_without_an_answer_is_not_repeated_in_her_quiet_hours()
    {
        await using var given = await GivenRun.CreateAsync(customers: 10);
        await given.AtAsync(EightInTokyo.AddMinutes(-5));
        var run = await given.RunAsync(Spec with { Customers = Enumerable.Range(1, 10) });
        var gateway = new ScriptedGateway(Channel.Sms)
        {
            Answer = _ => Task.FromResult<SendResult>(new SendResult.Unanswered("503")),
        };
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        await MoveAsync(given, "Asia/Tokyo", customers: 1);
        gateway.Answer = null;
        await given.AtAsync(EightInTokyo.AddMinutes(1));
        await node.LaneAsync(run);

        Assert.Empty(gateway.Ledger);
        Assert.Equal("unknown 10", await given.StatesAsync(run));
    }

    private static Task MoveAsync(GivenRun given, string zone, int customers) =>
        given.ExecuteAsync(
            """
            INSERT INTO time_zone (name) VALUES (@zone);
            UPDATE contact SET zone = (SELECT zone FROM time_zone WHERE name = @zone) WHERE customer_key <= @customers
            """,
            new { zone, customers }
        );
}
