using System.Globalization;
using System.IO.Compression;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.AspNetCore.Connections.Features;

namespace Campaigns.Simulator;

/// <summary>Answers, well or badly.</summary>
internal static class Misbehaviour
{
    private const int Megabyte = 1 << 20;
    private const string Page = "<!DOCTYPE html><html><body><h1>503 Service Temporarily Unavailable</h1></body></html>";
    private static readonly Lazy<byte[]> Bomb = new(MakeBomb);

    /// <summary>Writes the answer, or what the script has instead.</summary>
    internal static Task AnswerAsync(HttpContext context, Reply reply, Act act, Rule rule, CancellationToken over) =>
        act switch
        {
            Act.Throttle => ThrottleAsync(context, rule, over),
            Act.ServerError => TextAsync(context, rule.Status, "text/html", Page, over),
            Act.Hang or Act.AcceptThenHang => Task.Delay(Timeout.Infinite, over),
            Act.Drop or Act.AcceptThenDrop => Close(context),
            Act.Slow => SlowAsync(context, reply, over),
            Act.Huge => HugeAsync(context, over),
            Act.Html => TextAsync(context, 200, "text/html", Page, over),
            Act.GzipBomb => BombAsync(context, over),
            Act.WrongJson => TextAsync(
                context,
                200,
                "application/json",
                """[{"unexpected":[1,2,{"deep":null}]}]""",
                over
            ),
            _ => WellAsync(context, reply, over),
        };

    internal static Task WellAsync(HttpContext context, Reply reply, CancellationToken over)
    {
        foreach (var (name, value) in reply.Headers)
        {
            context.Response.Headers[name] = value;
        }

        return TextAsync(context, reply.Status, "application/json; charset=utf-8", Text(reply), over);
    }

    private static string Text(Reply reply) => JsonSerializer.Serialize(reply.Body, JsonSerializerOptions.Default);

    private static Task TextAsync(HttpContext context, int status, string type, string text, CancellationToken over)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        return context.Response.WriteAsync(text, over);
    }

    private static Task ThrottleAsync(HttpContext context, Rule rule, CancellationToken over)
    {
        const string date = "date:";
        context.Response.Headers.RetryAfter =
            rule.RetryAfter?.StartsWith(date, StringComparison.Ordinal) == true
                ? DateTimeOffset
                    .UtcNow.AddSeconds(double.Parse(rule.RetryAfter[date.Length..], CultureInfo.InvariantCulture))
                    .ToString("r", CultureInfo.InvariantCulture)
                : rule.RetryAfter;
        return TextAsync(context, 429, "application/json", """{"error":{"code":2002,"message":"rate limit"}}""", over);
    }

    /// <summary>An orderly end, after which an HTTP client may think that its request was never read; an abort alone would
    /// be a reset.</summary>
    private static Task Close(HttpContext context)
    {
        context.Features.Get<IConnectionSocketFeature>()?.Socket.Shutdown(SocketShutdown.Both);
        context.Abort();
        return Task.CompletedTask;
    }

    private static async Task SlowAsync(HttpContext context, Reply reply, CancellationToken over)
    {
        context.Response.ContentType = "application/json";
        foreach (var letter in System.Text.Encoding.UTF8.GetBytes(Text(reply)))
        {
            await context.Response.Body.WriteAsync(new[] { letter }, over);
            await context.Response.Body.FlushAsync(over);
            await Task.Delay(TimeSpan.FromSeconds(1), over);
        }
    }

    private static async Task HugeAsync(HttpContext context, CancellationToken over)
    {
        context.Response.ContentType = "application/json";
        var filler = new byte[Megabyte];
        Array.Fill(filler, (byte)' ');
        for (var written = 0; written < 1024; written++)
        {
            await context.Response.Body.WriteAsync(filler, over);
        }
    }

    private static async Task BombAsync(HttpContext context, CancellationToken over)
    {
        context.Response.ContentType = "application/json";
        context.Response.Headers.ContentEncoding = "gzip";
        for (var written = 0; written < 1024; written++)
        {
            await context.Response.Body.WriteAsync(Bomb.Value, over);
        }
    }

    /// <summary>One gzip member of a megabyte of zeros; members may follow each other.</summary>
    private static byte[] MakeBomb()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize))
        {
            gzip.Write(new byte[Megabyte]);
        }

        return packed.ToArray();
    }
}
