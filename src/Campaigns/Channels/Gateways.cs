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
/// <param name="Name">What <see cref="ChannelSettings.Gateway"/> says, such as <c>aliyun-sms</c>.</param>
/// <param name="Create">Makes it from settings; made again whenever they change.</param>
/// <param name="NeedsProvider">Whether it calls out, and so needs an address and credentials.</param>
public sealed record GatewayKind(
    string Name,
    Channel Channel,
    Func<GatewaySettings, IGateway> Create,
    bool NeedsProvider = true
)
{
    /// <summary>Whose account it goes by; gateways of one provider share settings.</summary>
    public string Provider { get; init; } = Name;

    /// <summary>Whether it adds the sender (<see cref="GatewayDeclaration.Sender"/>), and so needs one in its settings.</summary>
    public bool AddsSender { get; init; }

    /// <summary>Whether its provider's callbacks name the account they are for, so that its settings must
    /// (<see cref="GatewaySettings.Account"/>) where they are taken.</summary>
    public bool NamesAccount { get; init; }
}

/// <summary>The gateways of each channel, as configured now. Ask again for every request: settings that change make new
/// ones. Settings that are wrong are logged, and the last right ones stay.</summary>
public sealed class Gateways(
    IOptionsMonitor<ChannelSettings> settings,
    IEnumerable<GatewayKind> kinds,
    ILogger<Gateways> logger
)
{
    private static readonly Configured None = new("", null, new GatewaySettings());
    private readonly Dictionary<string, GatewayKind> _kinds = kinds.ToDictionary(kind => kind.Name);
    private readonly Dictionary<Channel, Served> _served = [];
    private readonly Lock _lock = new();

    /// <summary>The gateway by which messages of the purpose go; null where none serves the channel.</summary>
    public IGateway? For(Channel channel, Purpose purpose) => Current(channel).By[purpose].Gateway;

    /// <summary>The settings that <see cref="For"/> goes by; the defaults where no gateway serves the channel.</summary>
    public GatewaySettings SettingsOf(Channel channel, Purpose purpose) => Current(channel).By[purpose].Settings;

    /// <summary>Name of what <see cref="For"/> returns; empty where that is null.</summary>
    public string NameOf(Channel channel, Purpose purpose) => Current(channel).By[purpose].Name;

    /// <summary>A gateway by its name, whether it serves the channel now or did before; null where it has no settings, or
    /// too few to send by.</summary>
    public IGateway? Named(Channel channel, string name) => Current(channel).Find(name).Gateway;

    /// <summary>The settings of a gateway by its name; the defaults where it has none.</summary>
    public GatewaySettings SettingsOf(Channel channel, string name) => Current(channel).Find(name).Settings;

    /// <summary>Channels that are served now, for this purpose, by a gateway that needs no address.</summary>
    public IReadOnlyList<Channel> WithoutAddress(Purpose purpose) =>
        [.. Enum.GetValues<Channel>().Where(channel => For(channel, purpose) is { Declaration.NeedsAddress: false })];

    /// <summary>Name of the channel's options, and of its configuration section.</summary>
    public static string Section(Channel channel) => channel.ToString().ToLowerInvariant();

    private Served Current(Channel channel)
    {
        var now = settings.Get(Section(channel));
        lock (_lock)
        {
            var known = _served.GetValueOrDefault(channel);
            return known is not null && ReferenceEquals(known.Seen, now)
                ? known
                : _served[channel] = Build(channel, now, known);
        }
    }

    private Served Build(Channel channel, ChannelSettings now, Served? known)
    {
        var made = now
            .Gateways.Where(one => one.Value.Fault(_kinds[one.Key]) is null)
            .ToDictionary(one => one.Key, one => new Configured(one.Key, _kinds[one.Key].Create(one.Value), one.Value));
        var (by, faults) = (new Dictionary<Purpose, Configured>(), new List<string>());
        foreach (var purpose in Enum.GetValues<Purpose>())
        {
            var fault = FaultOf(channel, now, purpose);
            by[purpose] = fault is null
                ? made.GetValueOrDefault(now.Of(purpose).Gateway, None)
                : known?.By[purpose] ?? None;
            if (fault is not null && !faults.Contains(fault))
            {
                faults.Add(fault);
            }
        }

        if (faults.Count > 0 && (known is null || !known.Faults.SequenceEqual(faults)))
        {
            logger.LogError("Settings of channel {Channel} are wrong: {Faults}", channel, string.Join("; ", faults));
        }

        return new Served(now, by, made, faults);
    }

    /// <summary>Names no value: it may be a credential in the wrong place.</summary>
    private string? FaultOf(Channel channel, ChannelSettings now, Purpose purpose)
    {
        var (member, gateway) = now.Of(purpose);
        return gateway.Length == 0 ? null
            : _kinds.GetValueOrDefault(gateway) is not { } kind || kind.Channel != channel
                ? $"{member} names none that serves this channel"
            : !now.Gateways.TryGetValue(gateway, out var own) ? $"{gateway} has no settings"
            : own.Fault(kind) is { } fault ? $"{gateway}: {fault}"
            : null;
    }

    private sealed record Configured(string Name, IGateway? Gateway, GatewaySettings Settings);

    private sealed record Served(
        ChannelSettings Seen,
        IReadOnlyDictionary<Purpose, Configured> By,
        IReadOnlyDictionary<string, Configured> Made,
        IReadOnlyList<string> Faults
    )
    {
        /// <summary>What serves comes first: the last right settings of a gateway that has wrong ones now. Of one that serves
        /// nothing, whatever can be read.</summary>
        internal Configured Find(string name) =>
            By.Values.FirstOrDefault(one => one.Name == name)
            ?? Made.GetValueOrDefault(name)
            ?? (Seen.Gateways.TryGetValue(name, out var own) && own.Readable ? new Configured(name, null, own) : None);
    }
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
            services
                .AddOptions<ChannelSettings>(section)
                .Configure<IEnumerable<GatewayKind>>(
                    (settings, kinds) => settings.Read(values, [.. kinds.Where(kind => kind.Channel == channel)])
                );
            services.AddSingleton<IOptionsChangeTokenSource<ChannelSettings>>(
                new ConfigurationChangeTokenSource<ChannelSettings>(section, values)
            );
        }

        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<ProviderHttp>();
        services.AddSingleton<Gateways>();
        services.AddSingleton(provider => new GatewayKind(
            AliyunSmsGateway.Name,
            Channel.Sms,
            settings => new AliyunSmsGateway(settings, Http(provider), Time(provider))
        )
        {
            AddsSender = true,
        });
        services.AddSingleton(provider => new GatewayKind(
            BankSmsGateway.Name,
            Channel.Sms,
            settings => new BankSmsGateway(settings, Http(provider), Time(provider))
        )
        {
            AddsSender = true,
        });
        services.AddSingleton(provider => new GatewayKind(
            WeChatMassGateway.Name,
            Channel.WeChat,
            settings => new WeChatMassGateway(
                settings,
                Http(provider),
                provider.GetRequiredService<NpgsqlDataSource>(),
                Time(provider)
            )
        )
        {
            Provider = WeChatCallbacks.Provider,
            NamesAccount = true,
        });
        services.AddSingleton(provider => new GatewayKind(
            WeChatTemplateGateway.Name,
            Channel.WeChat,
            settings => new WeChatTemplateGateway(
                settings,
                Http(provider),
                provider.GetRequiredService<NpgsqlDataSource>(),
                Time(provider)
            )
        )
        {
            Provider = WeChatCallbacks.Provider,
            NamesAccount = true,
        });
        services.AddSingleton(provider => new GatewayKind(
            WeChatSubscribeGateway.Name,
            Channel.WeChat,
            settings => new WeChatSubscribeGateway(
                settings,
                Http(provider),
                provider.GetRequiredService<NpgsqlDataSource>(),
                Time(provider)
            )
        )
        {
            Provider = WeChatCallbacks.Provider,
            NamesAccount = true,
        });
        services.AddSingleton(provider => new GatewayKind(
            JPushGateway.Name,
            Channel.App,
            settings => new JPushGateway(settings, Http(provider), Time(provider))
        ));
        return services;
    }

    private static ProviderHttp Http(IServiceProvider provider) => provider.GetRequiredService<ProviderHttp>();

    private static TimeProvider Time(IServiceProvider provider) => provider.GetRequiredService<TimeProvider>();
}
