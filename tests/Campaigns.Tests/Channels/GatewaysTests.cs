using Campaigns.Channels;
using Campaigns.Tests.Support;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Tests.Channels;

public sealed class GatewaysTests
{
    private readonly IConfigurationRoot _configuration;
    private readonly Gateways _gateways;

    private LogLines Log { get; } = new();

    public GatewaysTests()
    {
        _configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(
                new Dictionary<string, string?>
                {
                    ["Channels:sms:Gateway"] = "aliyun-sms",
                    ["Channels:sms:BaseUrl"] = "http://127.0.0.1:1",
                    ["Channels:sms:KeyId"] = "key",
                    ["Channels:sms:Secret"] = "very-secret",
                    ["Channels:sms:SignName"] = "示例银行",
                    ["Channels:sms:RatePerSecond"] = "500",
                    ["Channels:sms:Timeout"] = "00:00:07",
                }
            )
            .Build();
        var services = new ServiceCollection().AddChannels(_configuration);
        services.AddLogging(logging => logging.AddProvider(Log));
        services.AddSingleton(new GatewayKind("silent", Channel.App, _ => new Silent(), NeedsProvider: false));
        _gateways = services.BuildServiceProvider().GetRequiredService<Gateways>();
    }

    [Fact]
    public void A_channel_is_served_as_configured()
    {
        Assert.Equal("aliyun-sms", _gateways.For(Channel.Sms, Purpose.Marketing)?.Declaration.Name);
        Assert.Null(_gateways.For(Channel.WeChat, Purpose.Marketing));
        Assert.Equal(
            (500, 7),
            (
                _gateways.SettingsOf(Channel.Sms, Purpose.Marketing).RatePerSecond,
                _gateways.SettingsOf(Channel.Sms, Purpose.Marketing).Timeout.Seconds
            )
        );
        Assert.Same(_gateways.For(Channel.Sms, Purpose.Marketing), _gateways.For(Channel.Sms, Purpose.Marketing));
    }

    [Fact]
    public void A_change_takes_effect_while_running()
    {
        var before = _gateways.For(Channel.Sms, Purpose.Marketing);
        Change(("Channels:sms:MaxBatch", "20"), ("Channels:app:Gateway", "silent"));

        Assert.NotSame(before, _gateways.For(Channel.Sms, Purpose.Marketing));
        Assert.Equal(20, _gateways.For(Channel.Sms, Purpose.Marketing)?.Declaration.MaxBatch);
        Assert.IsType<Silent>(_gateways.For(Channel.App, Purpose.Marketing));
        Change(("Channels:sms:Gateway", ""));
        Assert.Null(_gateways.For(Channel.Sms, Purpose.Marketing));
    }

    [Theory]
    [InlineData("wechat-mass", Purpose.Marketing)]
    [InlineData("wechat-template", Purpose.Servicing)]
    [InlineData("wechat-subscribe", Purpose.Servicing)]
    public void Whose_callbacks_name_an_account_serves_nothing_until_the_settings_name_it(string name, Purpose purpose)
    {
        using var database = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1");
        _configuration["Channels:wechat:BaseUrl"] = "http://127.0.0.1:1";
        _configuration["Channels:wechat:KeyId"] = "wx1";
        _configuration["Channels:wechat:Secret"] = "very-secret";
        _configuration["Channels:wechat:CallbackSecret"] = "token";
        var services = new ServiceCollection().AddSingleton(database).AddChannels(_configuration);
        services.AddLogging(logging => logging.AddProvider(Log));
        var gateways = services.BuildServiceProvider().GetRequiredService<Gateways>();
        Change(("Channels:wechat:Gateway", name), ("Channels:wechat:Account", " "));

        Assert.Null(gateways.For(Channel.WeChat, purpose));
        Assert.Contains(
            $"{name}: Account is missing",
            Assert.Single(Log.Lines, line => line.Contains("WeChat", StringComparison.Ordinal)),
            StringComparison.Ordinal
        );
        Change(("Channels:wechat:Account", "gh_1"));
        Assert.NotNull(gateways.For(Channel.WeChat, purpose));
        Change(("Channels:wechat:Account", ""), ("Channels:wechat:CallbackSecret", ""));
        Assert.NotNull(gateways.For(Channel.WeChat, purpose));
    }

    [Theory]
    [InlineData("Channels:sms:Timeout", "very-secret")]
    [InlineData("Channels:sms:Gateway", "very-secret")]
    [InlineData("Channels:sms:Gateway", "jpush")]
    [InlineData("Channels:sms:RatePerSecond", "0")]
    [InlineData("Channels:sms:RatePerSecond", "NaN")]
    [InlineData("Channels:sms:Concurrency", "-1")]
    [InlineData("Channels:sms:Concurrency", "many")]
    [InlineData("Channels:sms:BaseUrl", "/relative")]
    [InlineData("Channels:sms:Secret", "")]
    [InlineData("Channels:sms:SignName", "")]
    public void A_wrong_change_isLogged_once_and_the_last_right_settings_stay(string name, string value)
    {
        var before = _gateways.For(Channel.Sms, Purpose.Marketing);
        Change((name, value));

        Assert.Same(before, _gateways.For(Channel.Sms, Purpose.Marketing));
        Assert.Same(before, _gateways.For(Channel.Sms, Purpose.Marketing));
        Assert.Equal("aliyun-sms", _gateways.NameOf(Channel.Sms, Purpose.Marketing));
        Assert.Equal("very-secret", _gateways.SettingsOf(Channel.Sms, "aliyun-sms").Secret);
        var line = Assert.Single(Log.Lines);
        Assert.Contains("Sms", line, StringComparison.Ordinal);
        Assert.DoesNotContain("very-secret", line, StringComparison.Ordinal);
    }

    [Fact]
    public void R4_a_gateway_that_adds_the_sender_serves_nothing_without_one()
    {
        Change([.. Bank(), ("Channels:sms:bank-sms:SignName", null)]);

        Assert.Null(_gateways.For(Channel.Sms, Purpose.Servicing));
        Assert.Contains("bank-sms: SignName is missing", Assert.Single(Log.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public void Servicing_goes_by_the_channels_gateway_unless_it_has_its_own()
    {
        Assert.Same(_gateways.For(Channel.Sms, Purpose.Marketing), _gateways.For(Channel.Sms, Purpose.Servicing));

        Change(Bank());

        Assert.Equal("aliyun-sms", _gateways.For(Channel.Sms, Purpose.Marketing)?.Declaration.Name);
        Assert.Equal("bank-sms", _gateways.For(Channel.Sms, Purpose.Servicing)?.Declaration.Name);
        Assert.Equal(500, _gateways.SettingsOf(Channel.Sms, Purpose.Marketing).RatePerSecond);
        Assert.Null(_gateways.SettingsOf(Channel.Sms, Purpose.Servicing).RatePerSecond);
    }

    [Fact]
    public void Another_providers_gateway_takes_nothing_from_the_channels_own_settings()
    {
        Change(("Channels:sms:ServicingGateway", "bank-sms"), ("Channels:sms:bank-sms:KeyId", "campaigns"));

        Assert.Equal("aliyun-sms", _gateways.NameOf(Channel.Sms, Purpose.Marketing));
        Assert.Contains("bank-sms: BaseUrl is missing", Assert.Single(Log.Lines), StringComparison.Ordinal);
        Assert.Empty(_gateways.SettingsOf(Channel.Sms, "bank-sms").Secret);
    }

    [Fact]
    public void Wrong_settings_of_one_gateway_leave_the_other_as_configured()
    {
        Change(Bank());
        Assert.Equal("bank-sms", _gateways.NameOf(Channel.Sms, Purpose.Servicing));
        Change(("Channels:sms:bank-sms:Timeout", "soon"), ("Channels:sms:RatePerSecond", "50"));

        Assert.Equal("bank-sms", _gateways.NameOf(Channel.Sms, Purpose.Servicing));
        Assert.Equal(10, _gateways.SettingsOf(Channel.Sms, Purpose.Servicing).Timeout.Seconds);
        Assert.Equal(50, _gateways.SettingsOf(Channel.Sms, Purpose.Marketing).RatePerSecond);
        Assert.Contains("bank-sms: a member cannot be read", Assert.Single(Log.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public void A_gateway_that_serves_no_more_is_known_as_long_as_it_has_settings()
    {
        Change([.. Bank(), ("Channels:sms:Gateway", "bank-sms"), ("Channels:sms:aliyun-sms:CallbackSecret", "path")]);

        Assert.Equal("bank-sms", _gateways.NameOf(Channel.Sms, Purpose.Marketing));
        Assert.Equal("path", _gateways.SettingsOf(Channel.Sms, "aliyun-sms").CallbackSecret);
        Change(("Channels:sms:aliyun-sms:CallbackSecret", null));
        Assert.Empty(_gateways.SettingsOf(Channel.Sms, "aliyun-sms").CallbackSecret);
        Assert.Empty(Log.Lines);
    }

    private static (string, string?)[] Bank() =>
        [
            ("Channels:sms:ServicingGateway", "bank-sms"),
            ("Channels:sms:bank-sms:BaseUrl", "http://127.0.0.1:2"),
            ("Channels:sms:bank-sms:KeyId", "campaigns"),
            ("Channels:sms:bank-sms:Secret", "another"),
            ("Channels:sms:bank-sms:SignName", "示例银行"),
        ];

    private void Change(params (string Name, string? Value)[] changes)
    {
        foreach (var (name, value) in changes)
        {
            _configuration[name] = value;
        }

        _configuration.Reload();
    }

    private sealed class Silent : IGateway
    {
        public GatewayDeclaration Declaration { get; } =
            new()
            {
                Name = "silent",
                Channel = Channel.App,
                Purposes = new HashSet<Purpose>(),
                Variables = false,
                Sender = AddedBy.NotNeeded,
                Refusal = AddedBy.NotNeeded,
                MaxBatch = 1,
                Dedupe = Dedupe.None,
            };

        public Task<SendResult> SendAsync(SendRequest request, CancellationToken cancellationToken) =>
            Task.FromResult<SendResult>(new SendResult.Unanswered("silent"));
    }
}
