using System.Text;
using Campaigns.Simulator.Providers;

namespace Campaigns.Simulator;

/// <summary>Seconds that business time is ahead of real time.</summary>
public sealed record ClockSetting(double OffsetSeconds);

/// <summary>A customer's reply to an SMS.</summary>
/// <param name="Channel"><c>sms</c>, or <c>bank-sms</c> for the bank's own sender.</param>
public sealed record ReplySetting(string Phone, string Content, string Channel = Channels.Sms);

/// <summary>Subscribe messages that a user authorises.</summary>
/// <param name="Tell">Whether the event is posted that tells of one, as WeChat does when the user has agreed.</param>
public sealed record AuthorisationSetting(string OpenId, string Template, int Messages = 1, bool Tell = false);

/// <summary>Requests and items of one channel that ended in one way.</summary>
public sealed record LedgerCount(string Channel, Outcome Outcome, long Requests, long Items);

/// <summary>Posts of receipts.</summary>
public sealed record ReceiptCounts(long Posted, long GivenUp, int Retrying, long Pending);

/// <summary>What has happened so far.</summary>
public sealed record SimulatorCounts(
    long Lines,
    IReadOnlyList<LedgerCount> Ledger,
    ReceiptCounts Receipts,
    long WeChatTokensFetched
);

/// <summary>Routes for whoever runs the simulator, not part of any provider's wire.</summary>
internal static class Control
{
    private const int MostLines = 100_000;

    internal static void MapControl(this IEndpointRouteBuilder app)
    {
        var group = app.MapGroup("/simulator");
        group.MapGet("/health", () => Results.Text("ok"));
        group.MapGet("/ledger", LedgerAsync);
        group.MapGet("/counts", Counts);
        group.MapGet("/script", (ScriptBox script) => script.Script);
        group.MapPut(
            "/script",
            (Script script, ScriptBox box) =>
            {
                box.Put(script);
                return Results.NoContent();
            }
        );
        group.MapPut(
            "/clock",
            (ClockSetting setting, SimulatorClock clock) =>
            {
                clock.Offset = TimeSpan.FromSeconds(setting.OffsetSeconds);
                return Results.NoContent();
            }
        );
        group.MapPost("/receipts/flush", FlushAsync);
        group.MapPost("/replies", ReplyAsync);
        group.MapPost("/wechat/authorisations", AuthoriseAsync);
        group.MapPost(
            "/wechat/forget-tokens",
            (WeChatProvider provider) =>
            {
                provider.ForgetTokens();
                return Results.NoContent();
            }
        );
    }

    /// <summary>Lines after a number, as JSON lines.</summary>
    private static async Task LedgerAsync(HttpContext context, Ledger ledger, long after = 0, int limit = 10_000)
    {
        context.Response.ContentType = "application/x-ndjson";
        foreach (var line in ledger.Lines(after, Math.Clamp(limit, 1, MostLines)))
        {
            await context.Response.WriteAsync(line + "\n", Encoding.UTF8, context.RequestAborted);
        }
    }

    private static SimulatorCounts Counts(Ledger ledger, ReceiptRunner receipts, WeChatProvider weChat) =>
        new(
            ledger.Count,
            [
                .. ledger.Counts.Select(count => new LedgerCount(
                    count.Key.Channel,
                    count.Key.Outcome,
                    count.Value.Requests,
                    count.Value.Items
                )),
            ],
            ReceiptCounts(receipts),
            weChat.TokensFetched
        );

    private static async Task<ReceiptCounts> FlushAsync(ReceiptRunner receipts)
    {
        await receipts.FlushAsync();
        return ReceiptCounts(receipts);
    }

    private static async Task<IResult> ReplyAsync(ReplySetting reply, CallbackPoster poster) =>
        !poster.Enabled ? Results.Problem("No --callbacks were given.", statusCode: 409)
        : await poster.PostReplyAsync(reply.Channel, reply.Phone, reply.Content) ? Results.NoContent()
        : Results.Problem("The service did not take the reply.", statusCode: 502);

    private static async Task<IResult> AuthoriseAsync(
        AuthorisationSetting given,
        WeChatSubscribeProvider provider,
        CallbackPoster poster
    )
    {
        provider.Authorise(given);
        return !given.Tell ? Results.NoContent()
            : !poster.Enabled ? Results.Problem("No --callbacks were given.", statusCode: 409)
            : await poster.PostAuthorisedAsync(given.OpenId, given.Template) ? Results.NoContent()
            : Results.Problem("The service did not take the event.", statusCode: 502);
    }

    private static ReceiptCounts ReceiptCounts(ReceiptRunner receipts)
    {
        var (posted, givenUp, retrying, pending) = receipts.Counts;
        return new ReceiptCounts(posted, givenUp, retrying, pending);
    }
}
