using Campaigns.Access;
using Campaigns.Api.Endpoints;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Planning;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Api;

public sealed class ContactPolicyTests : IAsyncLifetime
{
    private ApiHost _api = null!;
    private HttpClient _operator = null!;

    public async Task InitializeAsync()
    {
        _api = await ApiHost.StartAsync();
        _operator = _api.As(Role.Operator);
    }

    public async Task DisposeAsync() => await _api.DisposeAsync();

    [Fact]
    public async Task Where_nobody_has_set_a_policy_the_strictest_quiet_hours_hold()
    {
        var held = await _operator.GetAsync("/v1/policy").ReadAsync<ContactPolicyVersion>();
        Assert.Equal(0, held.Version);
        Assert.Equal(QuietHours.Default, held.Policy.Hours.QuietHours);
        Assert.Equal(4, held.Policy.Caps.WeChatPerMonth);
    }

    [Fact]
    public async Task A_policy_is_set_and_kept_in_versions()
    {
        var policy = new ContactPolicy
        {
            Hours = new ContactHours
            {
                QuietHours = null,
                ChannelHours = new Dictionary<Channel, IReadOnlyList<SendWindow>>
                {
                    [Channel.Sms] = [new SendWindow { From = new(9, 0), To = new(18, 0) }],
                },
            },
            Caps = new FrequencyCaps
            {
                PerDay = 2,
                PerWeek = 5,
                WeChatPerMonth = null,
                PerChannelPerDay = new Dictionary<Channel, int> { [Channel.Sms] = 1 },
                MinimumGap = TimeSpan.FromHours(4),
            },
        };
        var set = await _operator.PutAsync("/v1/policy", policy).ReadAsync<ContactPolicyVersion>();
        Assert.Equal(1, set.Version);
        Assert.Equal(1, (await _operator.PutAsync("/v1/policy", policy).ReadAsync<ContactPolicyVersion>()).Version);

        var held = await _operator.GetAsync("/v1/policy").ReadAsync<ContactPolicyVersion>();
        Assert.Null(held.Policy.Hours.QuietHours);
        Assert.Null(held.Policy.Caps.WeChatPerMonth);
        Assert.Equal(TimeSpan.FromHours(4), held.Policy.Caps.MinimumGap);
        Assert.Equal(new TimeOnly(18, 0), held.Policy.Hours.ChannelHours[Channel.Sms][0].To);
        await _operator.PutAsync("/v1/policy", new ContactPolicy(), seen: 7).RefusedAsync(412, "version-mismatch");
    }

    [Fact]
    public async Task A_policy_that_cannot_be_kept_is_refused_with_every_field()
    {
        var problem = await _operator
            .PutAsync(
                "/v1/policy",
                new ContactPolicy
                {
                    Hours = new ContactHours
                    {
                        QuietHours = new QuietHours { From = new(8, 0), To = new(8, 0) },
                    },
                    Caps = new FrequencyCaps
                    {
                        PerDay = 0,
                        PerWeek = 106,
                        PerChannelPerDay = new Dictionary<Channel, int> { [Channel.App] = 16 },
                        MinimumGap = TimeSpan.FromDays(8),
                    },
                }
            )
            .RefusedAsync(400, "validation-failed");
        Assert.Equal(
            ["caps.minimumGap", "caps.perChannelPerDay.app", "caps.perDay", "caps.perWeek", "hours.quietHours.to"],
            problem.Errors.Select(error => error.Path).Order(StringComparer.Ordinal)
        );
    }

    [Fact]
    public async Task A_calendar_is_set_and_kept_in_versions()
    {
        var spring = new WorkingCalendar { DaysOff = [new(2026, 2, 17)], WorkingDays = [new(2026, 2, 14)] };
        var made = await _operator.PutAsync("/v1/calendars/china", spring).ReadAsync<NamedCalendar>();
        Assert.Equal(1, made.Version);
        var changed = spring with { DaysOff = [new(2026, 2, 17), new(2026, 2, 18)] };
        await _operator.PutAsync("/v1/calendars/china", changed, seen: 1).ReadAsync<NamedCalendar>();
        var read = await _api.As(Role.Marketer).GetAsync("/v1/calendars/china").ReadAsync<NamedCalendar>();
        Assert.Equal(2, read.Version);
        Assert.Equal(2, read.Calendar.DaysOff.Count);

        await _operator.GetAsync("/v1/calendars/mars").RefusedAsync(404, "not-found");
        var both = spring with { DaysOff = [new(2026, 2, 14)] };
        await _operator.PutAsync("/v1/calendars/china", both).RefusedAsync(422, "invalid-calendar");
    }

    [Fact]
    public async Task The_bank_wide_holdout_keeps_who_is_held_out_until_it_is_drawn_anew()
    {
        async Task<GlobalHoldoutVersion> SetAsync(decimal share, bool redraw = false) =>
            await _operator
                .PutAsync("/v1/holdouts/global", new GlobalHoldoutDraft { Share = share, Redraw = redraw })
                .ReadAsync<GlobalHoldoutVersion>();

        var first = await SetAsync(0.02m);
        Assert.Equal(1, (await SetAsync(0.02m)).Version);
        var larger = await SetAsync(0.05m);
        Assert.Equal((2, first.Salt), (larger.Version, larger.Salt));
        var redrawn = await SetAsync(0.05m, redraw: true);
        Assert.NotEqual(first.Salt, redrawn.Salt);

        var all = await _operator.GetAsync("/v1/holdouts/global").ReadAsync<GlobalHoldoutList>();
        Assert.Equal([3, 2, 1], all.Items.Select(version => version.Version));
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        Assert.Equal(new GlobalHoldout(3, redrawn.Salt, 0.05m), await GlobalHoldouts.CurrentAsync(connection));
        await SetAsync(0);
        Assert.Null(await GlobalHoldouts.CurrentAsync(connection));
    }

    [Theory]
    [InlineData("0.6")]
    [InlineData("-0.1")]
    [InlineData("0.00001")]
    public async Task A_share_that_cannot_be_drawn_is_refused(string share) =>
        await _operator
            .SendJsonAsync(HttpMethod.Put, "/v1/holdouts/global", $"{{\"share\":{share}}}")
            .RefusedAsync(400, "validation-failed");

    [Fact]
    public async Task Hours_and_holdouts_are_an_operators_to_set() =>
        await _api.As(Role.Marketer).PutAsync("/v1/policy", new ContactPolicy()).RefusedAsync(403, "forbidden");
}
