using System.Text.Json;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Campaigns.Operations;
using Campaigns.Planning;
using Campaigns.Tests.Lifecycle;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Planning;

public sealed class PreviewCostTests
{
    private readonly string _id = GivenCampaign.NewId("cost");

    [Fact]
    public async Task Each_touch_costs_the_segments_of_its_variants_message()
    {
        var preview = await PreviewAsync(Variants("payday-sms", "two-segments"), [Channel.Sms], ("sms:Price", "0.045"));

        var (once, twice) = (preview.Ledger.TouchesByVariant["a"], preview.Ledger.TouchesByVariant["b"]);
        Assert.True(once > 0 && twice > 0);
        var sms = Assert.Single(preview.Cost!.Channels);
        Assert.Equal((Channel.Sms, once + twice, once + 2 * twice), (sms.Channel, sms.Touches, sms.Units));
        Assert.Equal((0.045m, "CNY", sms.Units * 0.045m), (sms.Price, sms.Currency, sms.Amount));
        Assert.Equal((sms.Amount, "CNY", null), (preview.Cost.Total, preview.Cost.Currency, preview.Cost.Missing));
    }

    [Fact]
    public async Task Channels_add_up_where_they_have_one_currency()
    {
        var cost = (
            await PreviewAsync(
                Variants("payday-sms"),
                [Channel.WeChat, Channel.Sms],
                ("sms:Price", "0.05"),
                ("wechat:Price", "0")
            )
        ).Cost!;

        Assert.Equal([Channel.WeChat, Channel.Sms], cost.Channels.Select(channel => channel.Channel));
        Assert.Equal(0m, cost.Channels[0].Amount);
        Assert.True(cost.Channels[0].Touches > 0);
        Assert.Equal((0m, "CNY"), (cost.Total, cost.Currency));
    }

    [Theory]
    [InlineData("wechat:Price", "0.01", "noPrice")] // SMS has none
    [InlineData("wechat:Currency", "HKD", "mixedCurrencies")]
    public async Task What_cannot_be_told_is_not_nothing(string setting, string value, string missing)
    {
        List<(string, string)> settings = [(setting, value)];
        if (missing == "mixedCurrencies")
        {
            settings.AddRange([("sms:Price", "0.05"), ("wechat:Price", "0.1")]);
        }

        var cost = (await PreviewAsync(Variants("payday-sms"), [Channel.WeChat, Channel.Sms], [.. settings])).Cost!;

        Assert.Equal((null, null, missing), (cost.Total, cost.Currency, cost.Missing));
        Assert.NotNull(cost.Channels[0].Amount);
        Assert.Equal(missing == "noPrice" ? missing : null, cost.Channels[1].Missing);
        Assert.Equal(missing == "noPrice", cost.Channels[1].Amount is null);
    }

    private static List<Variant> Variants(params string[] sms) =>
        [
            .. sms.Select(
                (template, i) =>
                    new Variant
                    {
                        Name = $"{(char)('a' + i)}",
                        Templates = new Dictionary<Channel, string>
                        {
                            [Channel.Sms] = template,
                            [Channel.WeChat] = "payday-wechat",
                        },
                    }
            ),
        ];

    private async Task<Preview> PreviewAsync(
        IReadOnlyList<Variant> variants,
        IReadOnlyList<Channel> channels,
        params (string Setting, string Value)[] settings
    )
    {
        await using var api = await GivenCampaign.HostAsync(settings);
        await GivenCustomers.AddAsync(api, 40);
        var two = GivenCampaign.SmsTemplate with
        {
            Text = new string('好', 58),
            Defaults = new Dictionary<string, string>(),
        };
        await GivenCampaign.TemplateAsync(api, "two-segments", two);
        await GivenCampaign.TemplateAsync(api, "payday-wechat", two with { Channel = Channel.WeChat });
        var used = variants.Select(variant =>
            variant with
            {
                Templates = variant.Templates.Where(template => channels.Contains(template.Key)).ToDictionary(),
            }
        );
        await GivenCampaign.DraftAsync(
            api,
            _id,
            GivenCampaign.Definition with
            {
                Variants = [.. used],
                Channels = [.. channels],
                Holdout = 0,
            }
        );
        var marketer = api.As(Role.Marketer);
        var asked = await marketer.PostAsync($"/v1/campaigns/{_id}/preview", new { }).ReadAsync<Operation>();
        var done = await Eventually.BeAsync(
            () => marketer.GetAsync($"/v1/operations/{asked.Id}").ReadAsync<Operation>(),
            one => one.State != OperationState.Running,
            "the preview ends"
        );
        return done.Result!.Value.Deserialize<Preview>(ProductJson.Options)!;
    }
}
