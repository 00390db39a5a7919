using Campaigns.Channels;
using Campaigns.Channels.BankSms;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Campaigns.Tests.Channels;

/// <summary>A sender of a bank's that says one thing to everything.</summary>
internal sealed class AnsweringSender : IAsyncDisposable
{
    private readonly WebApplication _app;

    private AnsweringSender(WebApplication app) => _app = app;

    internal static async Task<AnsweringSender> StartAsync(int status, string body)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.MapPost("/", () => TypedResults.Text(body, "application/json", statusCode: status));
        await app.StartAsync();
        return new AnsweringSender(app);
    }

    /// <summary>Sends it messages with the keys <c>k-1</c>, <c>k-2</c>, ….</summary>
    internal Task<SendResult> AskAsync(ProviderHttp http, int messages)
    {
        var settings = new GatewaySettings { BaseUrl = new Uri(_app.Urls.First()), Secret = "secret" };
        var items = Enumerable
            .Range(1, messages)
            .Select(number => new SendItem($"k-{number}", $"+861380000000{number}", new Dictionary<string, string>()));
        return new BankSmsGateway(settings, http, TimeProvider.System).SendAsync(
            new SendRequest("r-1", Purpose.Marketing, new MessageContent(null, "hello", null, null, null), [.. items]),
            default
        );
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
