using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Api.Endpoints;
using Campaigns.Api.Jobs;
using Campaigns.Audit;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Dispatch;
using Campaigns.Jobs;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Campaigns.Operations;
using Campaigns.Outcomes;
using Campaigns.Planning;
using Campaigns.Receipts;
using Campaigns.Reports;
using Campaigns.Segments;
using Npgsql;

namespace Campaigns.Api.Hosting;

/// <summary>The program's two doors: what it is made of, and what it answers to.</summary>
internal static class CampaignsHost
{
    // Enough for a batch of 1,000 customers or events; an address that takes more says so.
    private const long MostBytes = 4 << 20;

    // Beside the drain: what was answered is recorded, and everything else stops.
    private static readonly TimeSpan StopMargin = TimeSpan.FromSeconds(10);

    /// <summary>Registers the product.</summary>
    public static void AddCampaigns(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        var node = Node.From(builder.Configuration);
        services.AddSingleton(node);
        services.AddSingleton(_ => DataSource(node));
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<BusinessClock>();
        services.AddSingleton(provider =>
            new JobHandlers()
                .HandleDispatch(provider)
                .HandlePlanning(provider, provider.ScheduleRunAsync)
                .HandleOutcomes(provider)
        );
        services.AddHostedService<StartUp>();
        services.AddCallers();
        services.AddEdge();
        services.AddApiDocument();
        builder.AddTelemetry();
        var stopWithin = DrainOf(builder.Configuration) + StopMargin;
        services.Configure<HostOptions>(host => host.ShutdownTimeout = stopWithin + StopMargin);
        services.AddJobEngine(
            builder.Configuration["Engine"],
            node.ConnectionString,
            new JobEngineOptions { Worker = node.Works, StopWithin = stopWithin }
        );

        // One line a module, leftmost first.
        services.AddAudit();
        services.AddOperations();
        services.AddChannels(builder.Configuration);
        services.AddSingleton<WorkingCalendars>();
        services.AddCustomers();
        services.AddSegments();
        services.AddLifecycle();
        services.AddContactPolicy();
        services.AddPlanning();
        services.Configure<DispatchOptions>(builder.Configuration.GetSection("Dispatch")).AddDispatch();
        services.AddReceipts();
        services.AddOutcomes();
        services.AddReports();
        if (node.Works)
        {
            services.AddPlanningWorker();
            services.AddDispatchWorker();
            services.AddReceiptsWorker();
            services.AddOutcomesWorker();
        }

        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MostBytes;
        });
    }

    /// <summary>Maps what a node of this role answers to.</summary>
    public static void MapCampaigns(this WebApplication app)
    {
        var node = app.Services.GetRequiredService<Node>();
        app.UseEdge(node);
        app.MapHealth();
        if (!node.Serves)
        {
            return;
        }

        app.MapJobDashboard();
        var api = app.MapGroup("/v1");
        api.MapKeys();
        api.MapAudit();
        api.MapOperations();
        api.MapFields();
        api.MapCustomers();
        api.MapImports();
        api.MapAuthorisations();
        api.MapEvents();
        api.MapSegments();
        api.MapTemplates();
        api.MapTesters();
        api.MapCampaignLifecycle();
        api.MapContactPolicy();
        api.MapPlanning();
        api.MapCampaignControl();
        api.MapChannels();
        api.MapCallbacks();
        api.MapReplies();
        api.MapEngagements();
        api.MapInbox();
        api.MapConversions();
        api.MapReports();
        // One line a capability.
    }

    private static void AddEdge(this IServiceCollection services)
    {
        services.ConfigureHttpJsonOptions(json => ProductJson.Configure(json.SerializerOptions));
        services.AddSingleton<IdempotencySweep>();
        services.AddHostedService(provider => provider.GetRequiredService<IdempotencySweep>());
        services.Configure<RouteHandlerOptions>(options => options.ThrowOnBadRequest = true);
        services.Configure<RouteOptions>(options => options.LowercaseUrls = true);
    }

    private static void UseEdge(this WebApplication app, Node node)
    {
        app.UseMiddleware<ErrorEdge>();
        if (node.Serves)
        {
            app.UseApiDocument();
        }

        app.UseRouting();
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseMiddleware<IntakeLimits>();
        app.UseMiddleware<StrictRequests>();
        app.UseMiddleware<Idempotency>();
    }

    private static TimeSpan DrainOf(IConfiguration configuration) =>
        configuration.GetSection("Dispatch").GetValue(nameof(DispatchOptions.Drain), new DispatchOptions().Drain);

    private static NpgsqlDataSource DataSource(Node node)
    {
        var settings = new NpgsqlConnectionStringBuilder(node.ConnectionString);
        settings.ApplicationName ??= $"campaigns-{node.Role}";
        if (!settings.ContainsKey("Maximum Pool Size"))
        {
            settings.MaxPoolSize = 40;
        }

        if (!settings.ContainsKey("Max Auto Prepare"))
        {
            settings.MaxAutoPrepare = 100;
        }

        return new NpgsqlDataSourceBuilder(settings.ConnectionString).Build();
    }
}
