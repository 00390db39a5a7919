using Campaigns.Channels;
using Campaigns.Tests.Support;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

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
        Assert.Equal("aliyun-sms", _gateways.For(Channel.Sms)?.Declaration.Name);
        Assert.Null(_gateways.For(Channel.WeChat));
        Assert.Equal(
            (500, 7),
            (_gateways.SettingsOf(Channel.Sms).RatePerSecond, _gateways.SettingsOf(Channel.Sms).Timeout.Seconds)
        );
        Assert.Same(_gateways.For(Channel.Sms), _gateways.For(Channel.Sms));
    }

    [Fact]
    public void A_change_takes_effect_while_running()
    {
        var before = _gateways.For(Channel.Sms);
        Change(("Channels:sms:MaxBatch", "20"), ("Channels:app:Gateway", "silent"));

        Assert.NotSame(before, _gateways.For(Channel.Sms));
        Assert.Equal(20, _gateways.For(Channel.Sms)?.Declaration.MaxBatch);
        Assert.IsType<Silent>(_gateways.For(Channel.App));
        Change(("Channels:sms:Gateway", ""));
        Assert.Null(_gateways.For(Channel.Sms));
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
    public void A_wrong_change_isLogged_once_and_the_last_right_settings_stay(string name, string value)
    {
        var before = _gateways.For(Channel.Sms);
        Change((name, value));

        Assert.Same(before, _gateways.For(Channel.Sms));
        Assert.Same(before, _gateways.For(Channel.Sms));
        Assert.Equal("aliyun-sms", _gateways.SettingsOf(Channel.Sms).Gateway);
        var line = Assert.Single(Log.Lines);
        Assert.Contains("Sms", line, StringComparison.Ordinal);
        Assert.DoesNotContain("very-secret", line, StringComparison.Ordinal);
    }

    private void Change(params (string Name, string Value)[] changes)
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

    private sealed class LogLines : ILoggerProvider, ILogger
    {
        public List<string> Lines { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        ) => Lines.Add($"{formatter(state, exception)} {exception}");

        public void Dispose() { }
    }
}
