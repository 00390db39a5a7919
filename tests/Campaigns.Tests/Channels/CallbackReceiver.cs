using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Campaigns.Tests.Channels;

/// <summary>A post as it came.</summary>
public sealed record ReceivedCallback(string Path, IQueryCollection Query, byte[] Body);

/// <summary>Where the simulator posts to: keeps everything, and answers as the test says.</summary>
public sealed class CallbackReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;

    private CallbackReceiver(WebApplication app) => _app = app;

    public Uri Url => new(_app.Urls.First());

    public ConcurrentQueue<ReceivedCallback> Received { get; } = new();

    /// <summary>Status of the answers to come.</summary>
    public int Status { get; set; } = 200;

    public static async Task<CallbackReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var receiver = new CallbackReceiver(app);
        app.MapFallback(receiver.TakeAsync);
        await app.StartAsync();
        return receiver;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        Received.Enqueue(new ReceivedCallback(context.Request.Path, context.Request.Query, body.ToArray()));
        context.Response.StatusCode = Status;
        await context.Response.WriteAsync("""{"code":0,"msg":"OK"}""");
    }
}
