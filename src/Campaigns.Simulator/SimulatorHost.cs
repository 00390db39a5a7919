using System.Text.Json;
using System.Text.Json.Serialization;
using Campaigns.Simulator.Providers;

namespace Campaigns.Simulator;

/// <summary>A provider on loopback that speaks the wires of Aliyun SMS, a bank's own SMS sender, WeChat and JPush, keeps a ledger of what it was
/// asked, posts receipts, and misbehaves as scripted. Run it as a program, or inside a test.</summary>
public static class SimulatorHost
{
    /// <summary>Runs it until it is told to stop; the first line printed is <c>simulator: ADDRESS</c>, also where the port
    /// was left to chance.</summary>
    public static async Task RunAsync(params string[] args)
    {
        await using var app = Build(args);
        await app.StartAsync();
        Console.WriteLine($"simulator: {app.Urls.First()}");
        if (app.Services.GetRequiredService<SimulatorOptions>().EndWithInput)
        {
            _ = EndWithInputAsync(app.Lifetime);
        }

        await app.WaitForShutdownAsync();
    }

    private static async Task EndWithInputAsync(IHostApplicationLifetime lifetime)
    {
        await using var input = Console.OpenStandardInput();
        await input.CopyToAsync(Stream.Null);
        lifetime.StopApplication();
    }

    /// <summary>Builds it, not yet started; dispose it to close the ledger.</summary>
    /// <param name="args">As on the command line: <c>--urls</c>, <c>--ledger FILE</c> and the members of
    /// <see cref="SimulatorOptions"/>.</param>
    /// <exception cref="InvalidOperationException">An option cannot be read.</exception>
    /// <exception cref="IOException">The ledger cannot be opened.</exception>
    public static WebApplication Build(params string[] args)
    {
        var builder = WebApplication.CreateSlimBuilder(
            new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory }
        );
        var options = builder.Configuration.Get<SimulatorOptions>() ?? new SimulatorOptions();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestLineSize = 1 << 20;
            kestrel.Limits.MaxRequestBufferSize = 2 << 20;
            kestrel.Limits.MaxRequestBodySize = 8 << 20;
            kestrel.AddServerHeader = false;
        });
        builder.Services.ConfigureHttpJsonOptions(json => Wire.Configure(json.SerializerOptions));
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton<SimulatorClock>();
        builder.Services.AddSingleton<ScriptBox>();
        builder.Services.AddSingleton(new Ledger(options.Ledger));
        builder.Services.AddSingleton<PushTargets>();
        builder.Services.AddSingleton<RateLimits>();
        builder.Services.AddSingleton<Exchange>();
        builder.Services.AddSingleton<CallbackPoster>();
        builder.Services.AddSingleton<ReceiptRunner>();
        builder.Services.AddHostedService(services => services.GetRequiredService<ReceiptRunner>());
        builder.Services.AddSingleton<AliyunProvider>();
        builder.Services.AddSingleton<BankSmsProvider>();
        builder.Services.AddSingleton<WeChatProvider>();
        builder.Services.AddSingleton<WeChatTemplateProvider>();
        builder.Services.AddSingleton<WeChatSubscribeProvider>();
        builder.Services.AddSingleton<JPushProvider>();

        var app = builder.Build();
        app.Use(Arrival.NoteAsync);
        app.MapAliyun();
        app.MapBankSms();
        app.MapWeChat();
        app.MapJPush();
        app.MapControl();
        return app;
    }
}

/// <summary>What the command line or the environment may set. Credentials are those that callers must use.</summary>
public sealed class SimulatorOptions
{
    /// <summary>Original id of the WeChat account that its events are for.</summary>
    public const string WeChatAccount = "gh_simulator";

    /// <summary>Path of the ledger; made if missing, continued if there.</summary>
    public string Ledger { get; set; } = "simulator-ledger.jsonl";

    /// <summary>Root of the service that receipts and replies are posted to; none are posted without.</summary>
    public Uri? Callbacks { get; set; }

    /// <summary>Secret in the path of Aliyun's callbacks.</summary>
    public string CallbackSecret { get; set; } = "simulator";

    /// <summary>Token that signs WeChat's callbacks.</summary>
    public string WeChatCallbackToken { get; set; } = "simulator";

    /// <summary>Whether it stops when its standard input ends, as it does when whoever started it is gone.</summary>
    public bool EndWithInput { get; set; }

    public string AliyunKeyId { get; set; } = "simulator";
    public string AliyunSecret { get; set; } = "simulator";
    public string BankSmsKeyId { get; set; } = "simulator";
    public string BankSmsSecret { get; set; } = "simulator";

    /// <summary>Signs the callbacks of the bank's own sender.</summary>
    public string BankSmsCallbackSecret { get; set; } = "simulator";
    public string WeChatAppId { get; set; } = "simulator";
    public string WeChatSecret { get; set; } = "simulator";
    public string JPushKey { get; set; } = "simulator";
    public string JPushSecret { get; set; } = "simulator";
}

/// <summary>Business time: real time and an offset, so that a demonstration may let days pass.</summary>
internal sealed class SimulatorClock
{
    private long _offsetTicks;

    internal DateTimeOffset Now => DateTimeOffset.UtcNow + Offset;

    internal TimeSpan Offset
    {
        get => new(Interlocked.Read(ref _offsetTicks));
        set => Interlocked.Exchange(ref _offsetTicks, value.Ticks);
    }
}

/// <summary>JSON of the control routes and of the ledger.</summary>
internal static class Wire
{
    internal static readonly JsonSerializerOptions Json = Configure(new JsonSerializerOptions());

    internal static JsonSerializerOptions Configure(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        options.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
        options.Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase));
        return options;
    }
}
