using System.Globalization;
using Campaigns.Api.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Faults.Running;

/// <summary>The product's program with another clock: what a machine is whose time server is lost.</summary>
internal static class SkewedNode
{
    public const string Verb = "node";

    public static async Task RunAsync(string ahead)
    {
        var builder = WebApplication.CreateBuilder(
            new WebApplicationOptions { ApplicationName = "Campaigns.Api", ContentRootPath = AppContext.BaseDirectory }
        );
        builder.AddCampaigns();
        builder.Services.AddSingleton<TimeProvider>(new Ahead(TimeSpan.Parse(ahead, CultureInfo.InvariantCulture)));
        var app = builder.Build();
        app.MapCampaigns();
        await app.RunAsync();
    }

    private sealed class Ahead(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + by;
    }
}
