using Campaigns.Channels.Aliyun;
using Campaigns.Channels.BankSms;
using Campaigns.Channels.JPush;
using Campaigns.Channels.WeChat;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Campaigns.Channels;

/// <summary>A gateway that configuration may choose: register one more as a singleton to add it.</summary>
/// <param name="Name">What <see cref="GatewaySettings.Gateway"/> says, such as <c>aliyun-sms</c>.</param>
/// <param name="Create">Makes it from settings; made again whenever they change.</param>
/// <param name="NeedsProvider">Whether it calls out, and so needs an address and credentials.</param>
public sealed record GatewayKind(
    string Name,
    Channel Channel,
    Func<GatewaySettings, IGateway> Create,
    bool NeedsProvider = true
);

/// <summary>The gateway of each channel, as configured now.</summary>
public sealed class Gateways(
    IOptionsMonitor<GatewaySettings> settings,
    IEnumerable<GatewayKind> kinds,
    ILogger<Gateways> logger
)
{
    private readonly Dictionary<string, GatewayKind> _kinds = kinds.ToDictionary(kind => kind.Name);
    private readonly Dictionary<Channel, Configured> _configured = [];
    private readonly Lock _lock = new();

    /// <summary>The gateway that serves the channel; null where none does. Ask again for every request: settings that
    /// change make a new one. Settings that are wrong are logged, and the last right ones stay.</summary>
    public IGateway? For(Channel channel) => Current(channel).Gateway;

    /// <summary>The settings that <see cref="For"/> goes by; the defaults where no gateway serves the channel.</summary>
    public GatewaySettings SettingsOf(Channel channel) => Current(channel).Settings;

    /// <summary>Channels that are served now by a gateway that needs no address.</summary>
    public IReadOnlyList<Channel> WithoutAddress() =>
        [.. Enum.GetValues<Channel>().Where(channel => For(channel) is { Declaration.NeedsAddress: false })];

    /// <summary>Name of the channel's options, and of its configuration section.</summary>
    public static string Section(Channel channel) => channel.ToString().ToLowerInvariant();

    private Configured Current(Channel channel)
    {
        var now = settings.Get(Section(channel));
        lock (_lock)
        {
            var known = _configured.GetValueOrDefault(channel);
            if (known is not null && ReferenceEquals(known.Seen, now))
            {
                return known;
            }

            var current = Build(channel, now, out var fault);
            if (fault is not null && (known is null || known.Fault != fault))
            {
                logger.LogError("Settings of channel {Channel} are wrong: {Fault}", channel, fault);
            }

            current ??= known ?? new Configured(null, new GatewaySettings(), null, null);
            return _configured[channel] = current with { Seen = now, Fault = fault };
        }
    }

    private Configured? Build(Channel channel, GatewaySettings now, out string? fault)
    {
        fault = now.Readable ? null : "a member cannot be read";
        if (fault is null && now.Gateway.Length == 0)
        {
            return new Configured(null, now, null, null);
        }

        var kind = _kinds.GetValueOrDefault(now.Gateway);
        fault ??=
            kind?.Channel == channel ? now.Fault(kind.NeedsProvider) : "Gateway names none that serves this channel";
        return fault is null ? new Configured(kind!.Create(now), now, null, null) : null;
    }

    private sealed record Configured(IGateway? Gateway, GatewaySettings Settings, GatewaySettings? Seen, string? Fault);
}

/// <summary>The module's door.</summary>
public static class ChannelsModule
{
    /// <summary>Adds <see cref="Gateways"/> with their settings from section <c>Channels</c>. Needs an
    /// <see cref="NpgsqlDataSource"/>.</summary>
    public static IServiceCollection AddChannels(this IServiceCollection services, IConfiguration configuration)
    {
        foreach (var channel in Enum.GetValues<Channel>())
        {
            var section = Gateways.Section(channel);
            var values = configuration.GetSection($"Channels:{section}");
            services.AddOptions<GatewaySettings>(section).Configure(settings => Read(values, settings));
            services.AddSingleton<IOptionsChangeTokenSource<GatewaySettings>>(
                new ConfigurationChangeTokenSource<GatewaySettings>(section, values)
            );
        }

        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<ProviderHttp>();
        services.AddSingleton<Gateways>();
        services.AddSingleton(provider => new GatewayKind(
            AliyunSmsGateway.Name,
            Channel.Sms,
            settings => new AliyunSmsGateway(settings, Http(provider), Time(provider))
        ));
        services.AddSingleton(provider => new GatewayKind(
            BankSmsGateway.Name,
            Channel.Sms,
            settings => new BankSmsGateway(settings, Http(provider), Time(provider))
        ));
        services.AddSingleton(provider => new GatewayKind(
            WeChatMassGateway.Name,
            Channel.WeChat,
            settings => new WeChatMassGateway(
                settings,
                Http(provider),
                provider.GetRequiredService<NpgsqlDataSource>(),
                Time(provider)
            )
        ));
        services.AddSingleton(provider => new GatewayKind(
            JPushGateway.Name,
            Channel.App,
            settings => new JPushGateway(settings, Http(provider), Time(provider))
        ));
        return services;
    }

    /// <summary>A value of the wrong form must not throw: options are read where the file is watched, and an exception
    /// there ends the process. The binder's message quotes the value, which may be a credential in the wrong place.</summary>
    private static void Read(IConfigurationSection values, GatewaySettings settings)
    {
        try
        {
            values.Bind(settings);
        }
        catch (InvalidOperationException)
        {
            settings.Readable = false;
        }
    }

    private static ProviderHttp Http(IServiceProvider provider) => provider.GetRequiredService<ProviderHttp>();

    private static TimeProvider Time(IServiceProvider provider) => provider.GetRequiredService<TimeProvider>();
}
