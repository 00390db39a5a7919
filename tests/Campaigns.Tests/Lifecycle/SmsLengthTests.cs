using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Lifecycle;

/// <summary>A short message's length as its customer receives it: 【示例银行】 before and 拒收请回复R after, 13 characters.
/// </summary>
public sealed class SmsLengthTests(LifecycleHost host) : IClassFixture<LifecycleHost>
{
    private readonly ApiHost _api = host.Api;
    private readonly HttpClient _marketer = host.Api.As(Role.Marketer);
    private readonly string _id = GivenCampaign.NewId("length");

    [Theory]
    [InlineData(57, Purpose.Marketing, 70, 1)]
    [InlineData(58, Purpose.Marketing, 71, 2)]
    [InlineData(64, Purpose.Servicing, 70, 1)] // which needs no way to refuse
    public async Task What_the_gateway_adds_counts(int written, Purpose purpose, int characters, int segments)
    {
        var draft = GivenCampaign.SmsTemplate with { Text = new string('好', written), Purpose = purpose };

        var length = (await PutAsync(draft)).Sms!;

        Assert.Equal(
            (SmsEncoding.Ucs2, characters, segments, segments),
            (length.Encoding, length.Characters, length.Segments, length.MostSegments)
        );
    }

    [Fact]
    public async Task Defaults_fill_their_places_and_a_text_may_be_as_long_as_a_field_holds()
    {
        var put = (await PutAsync(GivenCampaign.SmsTemplate)).Sms!;

        Assert.Equal(("【示例银行】您好，发薪日理财专享。 拒收请回复R".Length, 1), (put.Characters, put.Segments));
        Assert.Equal(1 + (4096 + "【示例银行】，发薪日理财专享。 拒收请回复R".Length - 1) / 66, put.MostSegments);
        Assert.Equal(put, (await _marketer.GetAsync($"/v1/templates/{_id}").ReadAsync<Template>()).Sms);
    }

    [Fact]
    public async Task What_can_be_told_of_a_field_bounds_the_worst_case()
    {
        await using (var connection = await _api.Database.DataSource.OpenConnectionAsync())
        {
            await connection.ExecuteAsync(
                """
                INSERT INTO field (name, type, options, sensitive, profiling, updated_at) VALUES
                    ('due', 'date', NULL, false, false, now()), ('branch', 'enum', ARRAY['总行', repeat('支', 20)], false, false, now())
                ON CONFLICT DO NOTHING
                """
            );
        }

        // 13 that are added, 27 written, 10 of a date, 20 of the longer branch
        var text = new string('好', 27);
        var fits = (await PutAsync(GivenCampaign.SmsTemplate with { Text = text + "{{due}}{{branch}}" })).Sms!;
        var over = (await PutAsync(GivenCampaign.SmsTemplate with { Text = text + "。{{due}}{{branch}}" })).Sms!;

        Assert.Equal((1, 1), (fits.Segments, fits.MostSegments));
        Assert.Equal((1, 2), (over.Segments, over.MostSegments));
    }

    [Fact]
    public async Task One_that_is_longer_than_allowed_is_refused()
    {
        await PutAsync(GivenCampaign.SmsTemplate with { Text = new string('好', 670 - 13) });
        var problem = await _marketer
            .PutAsync($"/v1/templates/{_id}", GivenCampaign.SmsTemplate with { Text = new string('好', 671 - 13) })
            .RefusedAsync(422, "sms-too-long");

        Assert.Equal("text", Assert.Single(problem.Errors).Path);
        Assert.Contains("11 segments", problem.Errors[0].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task How_long_one_may_be_is_configured()
    {
        var settings = GivenCampaign.Sms.Append(new("Templates:MaxSegments", "1")).ToDictionary();
        await using var api = await ApiHost.StartAsync(settings: settings);

        await api.As(Role.Marketer)
            .PutAsync(
                $"/v1/templates/{_id}",
                GivenCampaign.SmsTemplate with
                {
                    Text = new string('好', 58),
                    Defaults = new Dictionary<string, string>(),
                }
            )
            .RefusedAsync(422, "sms-too-long");
    }

    [Fact]
    public async Task Only_short_messages_have_one()
    {
        var draft = GivenCampaign.SmsTemplate with { Channel = Channel.WeChat, Text = new string('好', 2_000) };

        Assert.Null((await PutAsync(draft)).Sms);
    }

    private Task<Template> PutAsync(TemplateDraft draft) =>
        _marketer.PutAsync($"/v1/templates/{_id}", draft).ReadAsync<Template>();
}
