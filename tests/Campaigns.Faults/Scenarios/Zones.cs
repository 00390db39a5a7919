using Campaigns.Demo;
using Campaigns.Faults.Running;
using Dapper;

namespace Campaigns.Faults.Scenarios;

/// <summary>Nights in which New York changes its clocks, and customers who travel.</summary>
internal static class Zones
{
    private const string NewYork = "America/New_York";
    private const string LosAngeles = "America/Los_Angeles";
    private const int AtOnce = 1_000;

    /// <summary>Those who move to another zone between planning and dispatch.</summary>
    private const int Movers = 50;
    private static readonly DateOnly Forward = new(2027, 3, 14);
    private static readonly DateOnly Back = new(2027, 11, 7);

    public static IEnumerable<Scenario> All =>
        [new("F21", "clocks change in New York, and customers move", ChangeAsync)];

    private static async Task ChangeAsync(Play play)
    {
        var scene = play.Scene;
        var audience = play.Size(400, 1_500);
        await MoveClockAsync(scene, "2027-03-14T03:30:00Z");
        await scene.StartAsync();
        await scene.Operator.PutAsync<object>(
            "/v1/policy",
            new { hours = new { quietHours = (object?)null }, caps = new { } },
            default
        );
        await LiveInAsync(scene, NewYork, 1, audience);

        // 02:00 to 03:00 does not exist: the one opens at 03:00, the other not before the next day.
        await scene.LaunchAsync(Night("gap-across", "sms", Forward, "02:15", "04:00", audience));
        await scene.LaunchAsync(Night("gap-inside", "app", Forward, "02:15", "02:45", audience) with { Days = 2 });
        await PlannedAsync(scene);
        await LiveInAsync(scene, LosAngeles, 1, Movers);
        play.Fault("customer moved", Movers);
        await MoveClockAsync(scene, "2027-03-14T06:59:30Z");
        await NothingIsSentAsync(play, scene, "in the hour that is left out");
        await MoveClockAsync(scene, "2027-03-14T07:10:00Z");
        play.Fault("gap");
        await ClosedAsync(scene, "gap-across");
        await MoveClockAsync(scene, "2027-03-15T06:20:00Z");
        await scene.ClosedAsync();

        await LiveInAsync(scene, NewYork, 1, Movers);

        // 01:00 to 02:00 comes twice: some are sent in the first of them, and the others in the second.
        await MoveClockAsync(scene, "2027-11-07T03:30:00Z");
        await scene.BehaveAsync(latencyMs: 400);
        await scene.LaunchAsync(Night("overlap-across", "sms", Back, "00:30", "03:00", audience));
        await scene.LaunchAsync(Night("overlap-inside", "app", Back, "01:15", "03:00", audience));
        await PlannedAsync(scene);
        var before = await ProviderView.LinesAsync(scene.Provider);
        await MoveClockAsync(scene, "2027-11-07T05:20:00Z");
        await scene.SentAsync((int)before + 40);
        await MoveClockAsync(scene, "2027-11-07T06:20:00Z");
        play.Fault("overlap");
        await scene.ClosedAsync();
        await CheckAsync(play, scene);
    }

    private static CampaignSpec Night(string id, string channel, DateOnly day, string from, string to, int audience) =>
        new(id)
        {
            Channel = channel,
            Audience = audience,
            Day = day,
            WindowFrom = from,
            WindowTo = to,
        };

    /// <summary>Every attempt is held against the customer's own clock, as .NET knows it; the product reckons otherwise.
    /// </summary>
    private static async Task CheckAsync(Play play, Scene scene)
    {
        await using var connection = await scene.Sql.OpenConnectionAsync();
        var attempts = (
            await connection.QueryAsync<(string CampaignId, string CustomerId, DateTimeOffset At)>(
                """
                SELECT p.campaign_id, c.customer_id, a.attempted_at
                FROM attempt a
                CROSS JOIN unnest(a.customer_keys) AS m (customer_key)
                JOIN customer c USING (customer_key)
                JOIN run r USING (run_key)
                JOIN campaign p USING (campaign_key)
                """
            )
        ).ToList();
        var touches = (
            await connection.QueryAsync<(string CampaignId, long Touches)>(
                """
                SELECT p.campaign_id, count(*)
                FROM decision d
                JOIN run r USING (run_key)
                JOIN campaign p USING (campaign_key)
                WHERE d.reason = 0
                GROUP BY p.campaign_id
                """
            )
        ).ToDictionary(one => one.CampaignId, one => one.Touches);
        var (missed, doubled, outside, first) = (0L, 0, 0, 0);
        foreach (var spec in scene.Campaigns)
        {
            var own = attempts.Where(attempt => attempt.CampaignId == spec.Id).ToList();
            var customers = own.Select(attempt => attempt.CustomerId).Distinct().Count();
            missed += touches.GetValueOrDefault(spec.Id) - customers;
            doubled += own.Count - customers;
            outside += own.Count(attempt => !IsInside(spec, NewYork, attempt.At));
            first += own.Count(attempt => Local(NewYork, attempt.At) is var local && IsFirstOfTwo(local, attempt.At));
            play.Must(touches.GetValueOrDefault(spec.Id) > 0, "harness", $"{spec.Id} planned no touch");
        }

        play.Must(missed == 0, "window", $"{missed} touches missed their window");
        play.Must(doubled == 0, "window", $"{doubled} touches were sent twice");
        play.Must(outside == 0, "window", $"{outside} touches went outside the hours of New York");
        play.Must(first > 0 && first < attempts.Count, "harness", "the overlap was not met in both its hours");
        var moved = attempts.Count(attempt =>
            attempt.CampaignId == "gap-across" && SmallBank.Number(attempt.CustomerId) <= Movers
        );
        play.Figure(
            $"{attempts.Count} touches, {first} in the first of two equal hours; windows missed {missed}, doubled {doubled}, outside {outside}; of {Movers} who moved after planning {moved} were sent to, by the clock they were planned for"
        );
    }

    private static bool IsInside(CampaignSpec spec, string zone, DateTimeOffset at)
    {
        var local = Local(zone, at);
        var (from, to) = (TimeOnly.Parse(spec.WindowFrom, null), TimeOnly.Parse(spec.WindowTo, null));
        var day = DateOnly.FromDateTime(local.DateTime).DayNumber - spec.Day!.Value.DayNumber;
        return day >= 0
            && day < spec.Days
            && TimeOnly.FromDateTime(local.DateTime) is var time
            && time >= from
            && time < to;
    }

    private static DateTimeOffset Local(string zone, DateTimeOffset at) =>
        TimeZoneInfo.ConvertTime(at, TimeZoneInfo.FindSystemTimeZoneById(zone));

    private static bool IsFirstOfTwo(DateTimeOffset local, DateTimeOffset at) =>
        Local(NewYork, at + TimeSpan.FromHours(1)).TimeOfDay == local.TimeOfDay;

    /// <summary>States customers anew, with the zone they live in.</summary>
    private static async Task LiveInAsync(Scene scene, string zone, int from, int to)
    {
        foreach (var some in Enumerable.Range(from, to - from + 1).Chunk(AtOnce))
        {
            var customers = some.Select(n => new
            {
                id = SmallBank.IdOf(n),
                profile = new
                {
                    attributes = new { n, name = $"客户{n}" },
                    addresses = new
                    {
                        phone = SmallBank.IsReached(n, "sms") ? SyntheticAddress.Phone(n) : null,
                        pushId = SmallBank.IsReached(n, "app") ? SyntheticAddress.PushId(n) : null,
                    },
                    zone,
                },
            });
            await scene.Backend.PostAsync<object>("/v1/customers", new { customers }, default);
        }
    }

    private static async Task MoveClockAsync(Scene scene, string to)
    {
        await scene.ExecuteAsync(
            "UPDATE business_clock SET clock_offset = @to::timestamptz - clock_timestamp()",
            new { to }
        );
        await scene.Provider.MoveClockAsync(await scene.OffsetAsync(), CancellationToken.None);
    }

    private static Task PlannedAsync(Scene scene) =>
        Wait.UntilAsync(
            () => scene.AskAsync<bool>("SELECT NOT EXISTS (SELECT FROM run WHERE state = 'planning')"),
            "every run is planned"
        );

    private static Task ClosedAsync(Scene scene, string id) =>
        Wait.UntilAsync(
            () =>
                scene.AskAsync<bool>(
                    """
                    SELECT bool_and(r.state = 'closed')
                    FROM run r
                    JOIN campaign p USING (campaign_key)
                    WHERE p.campaign_id = @id
                    """,
                    new { id }
                ),
            $"the run of {id} is closed"
        );

    private static async Task NothingIsSentAsync(Play play, Scene scene, string when)
    {
        var before = await ProviderView.LinesAsync(scene.Provider);
        var holds = await Wait.HoldsAsync(
            async () => await ProviderView.LinesAsync(scene.Provider) == before,
            TimeSpan.FromSeconds(3)
        );
        play.Must(holds, "I6", $"something was sent {when}");
    }
}
