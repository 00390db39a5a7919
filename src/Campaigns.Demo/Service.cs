using System.Security.Cryptography;
using Campaigns.Api.Hosting;
using Campaigns.Database;
using Campaigns.Dispatch;
using Campaigns.Jobs;
using Campaigns.Simulator;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Campaigns.Demo;

/// <summary>The product: API and worker in this process, on loopback.</summary>
internal sealed class Service : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly LogFile _log;

    private Service(WebApplication app, LogFile log, string adminKeyFile)
    {
        (_app, _log, AdminKeyFile) = (app, log, adminKeyFile);
        Address = new Uri(
            app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()
        );
    }

    public Uri Address { get; }

    public string AdminKeyFile { get; }

    public string LogFile => _log.Path;

    /// <summary>The job engine that is compiled in.</summary>
    public string Engine => _app.Services.GetRequiredService<IJobEngine>().Name;

    /// <summary>Business time, which no route may move.</summary>
    public BusinessClock Clock => _app.Services.GetRequiredService<BusinessClock>();

    public static async Task<Service> StartAsync(Storage storage, CancellationToken cancellationToken)
    {
        var adminKeyFile = Path.Combine(storage.Folder, "admin.key");
        var builder = WebApplication.CreateBuilder(
            new WebApplicationOptions { ApplicationName = "Campaigns.Api", ContentRootPath = AppContext.BaseDirectory }
        );
        builder.Configuration.AddInMemoryCollection(
            new Dictionary<string, string?>
            {
                ["ConnectionStrings:Campaigns"] = storage.ConnectionString,
                ["Role"] = "all",
                ["AdminKeyFile"] = adminKeyFile,
                ["urls"] = "http://127.0.0.1:0",
                ["Addresses:Keys:1"] = Secret(),
                ["Addresses:LookupKey"] = Secret(),
            }
        );
        var log = new LogFile(Path.Combine(storage.Folder, "demo.log"));
        builder.Logging.ClearProviders();
        builder.Logging.AddProvider(log);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        builder.Logging.AddFilter("Quartz", LogLevel.Warning);
        builder.AddCampaigns();
        builder.Services.Configure<DispatchOptions>(options => options.SweepEvery = TimeSpan.FromSeconds(1));
        var app = builder.Build();
        app.MapCampaigns();
        await app.StartAsync(cancellationToken);
        return new Service(app, log, adminKeyFile);
    }

    /// <summary>Has the three channels sent through the provider from now on.</summary>
    public void UseProvider(Uri provider, Credentials credentials)
    {
        Channel("sms", "aliyun-sms");
        Channel("wechat", "wechat-mass");
        Channel("app", "jpush");
        ((IConfigurationRoot)_app.Configuration).Reload();

        void Channel(string channel, string gateway)
        {
            Set("Gateway", gateway);
            Set("BaseUrl", $"{provider}");
            Set("KeyId", credentials.KeyId);
            Set("Secret", credentials.Secret);
            Set("CallbackSecret", credentials.CallbackSecret);
            Set("Account", SimulatorOptions.WeChatAccount);
            Set("SignName", "示例银行");
            Set("RatePerSecond", "200");

            void Set(string member, string value) => _app.Configuration[$"Channels:{channel}:{member}"] = value;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        _log.Dispose();
    }

    private static string Secret() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
}
