using System.Globalization;
using System.Net;
using System.Text.Json;

namespace Campaigns.Channels;

/// <summary>What came back from a provider, before it is understood.</summary>
internal abstract record ProviderAnswer
{
    private ProviderAnswer() { }

    /// <summary>A whole answer of at most <see cref="ProviderHttp.MaxAnswerBytes"/>.</summary>
    internal sealed record Reply(HttpStatusCode Status, byte[] Body, TimeSpan RetryAfter) : ProviderAnswer
    {
        /// <summary>The body as a JSON object; null when it is anything else.</summary>
        internal JsonElement? Json()
        {
            try
            {
                using var document = JsonDocument.Parse(Body);
                return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : null;
            }
            catch (JsonException)
            {
                return null;
            }
        }
    }

    /// <summary>The provider was not reached: nothing was sent.</summary>
    internal sealed record NotSent(string Reason) : ProviderAnswer;

    /// <summary>The request may have arrived; no usable answer did.</summary>
    internal sealed record Silent(string Reason) : ProviderAnswer;
}

/// <summary>The one HTTP client of all gateways. Every call is bounded in time and in the size of its answer, and made
/// once: neither redirected nor repeated. Nothing of a request appears in a reason.</summary>
internal sealed class ProviderHttp(TimeProvider time) : IDisposable
{
    /// <summary>Most bytes of an answer, unpacked.</summary>
    internal const int MaxAnswerBytes = 1 << 20;

    private readonly HttpClient _client = new(
        new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.All,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            MaxResponseDrainSize = 0,
            MaxResponseHeadersLength = 32,
            // Shorter than providers keep theirs: a connection they close as we write leaves a request without an answer.
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            UseCookies = false,
        }
    )
    {
        Timeout = System.Threading.Timeout.InfiniteTimeSpan,
    };

    /// <summary>Sends one request and reads its whole answer.</summary>
    /// <param name="request">With content, be it empty, unless it may be repeated: the handler sends what has none again when
    /// a kept connection closes, up to three times, although the provider may have read it.</param>
    /// <param name="deadline">Ends the call; what was under way is <see cref="ProviderAnswer.Silent"/>.</param>
    internal async Task<ProviderAnswer> SendAsync(HttpRequestMessage request, CancellationToken deadline)
    {
        try
        {
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline);
            var body = await ReadAsync(response.Content, deadline);
            return body is null
                ? new ProviderAnswer.Silent("the answer is over 1 MB")
                : new ProviderAnswer.Reply(response.StatusCode, body, RetryAfter.Of(response, time));
        }
        catch (HttpRequestException failure) when (NothingSent(failure.HttpRequestError))
        {
            return new ProviderAnswer.NotSent($"the provider cannot be reached ({failure.HttpRequestError})");
        }
        catch (OperationCanceledException late)
            when (late.InnerException is TimeoutException && !deadline.IsCancellationRequested)
        {
            // The client has no timeout of its own, so it is the handler's for connecting.
            return new ProviderAnswer.NotSent("the provider cannot be reached in time");
        }
        catch (OperationCanceledException)
        {
            return new ProviderAnswer.Silent("no answer in time");
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException or InvalidDataException)
        {
            return new ProviderAnswer.Silent("the connection was cut, or the answer is not HTTP");
        }
    }

    public void Dispose() => _client.Dispose();

    private static bool NothingSent(HttpRequestError error) =>
        error
            is HttpRequestError.NameResolutionError
                or HttpRequestError.ConnectionError
                or HttpRequestError.SecureConnectionError
                or HttpRequestError.ProxyTunnelError;

    private static async Task<byte[]?> ReadAsync(HttpContent content, CancellationToken deadline)
    {
        await using var stream = await content.ReadAsStreamAsync(deadline);
        using var body = new MemoryStream();
        var buffer = new byte[16 * 1024];
        int read;
        while ((read = await stream.ReadAsync(buffer, deadline)) > 0)
        {
            if (body.Length + read > MaxAnswerBytes)
            {
                return null;
            }

            body.Write(buffer, 0, read);
        }

        return body.ToArray();
    }
}

/// <summary>How long a provider asks us to wait.</summary>
internal static class RetryAfter
{
    /// <summary>Where it says nothing, or nothing that can be read.</summary>
    internal static readonly TimeSpan Unsaid = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    /// <summary>At least a second, at most a day. A date is taken against the provider's own clock where it tells it.
    /// </summary>
    internal static TimeSpan Of(HttpResponseMessage response, TimeProvider time)
    {
        var text = Header(response, "Retry-After") ?? Header(response, "X-Rate-Limit-Reset");
        if (
            double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds)
            && double.IsFinite(seconds)
        )
        {
            return Bound(TimeSpan.FromSeconds(Math.Min(seconds, Longest.TotalSeconds)));
        }

        const DateTimeStyles utc = DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal;
        return DateTimeOffset.TryParseExact(text, "r", CultureInfo.InvariantCulture, utc, out var date)
            ? Bound(date - (response.Headers.Date ?? time.GetUtcNow()))
            : Unsaid;
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.NonValidated.TryGetValues(name, out var values) && values.Count > 0 ? values.ToString() : null;

    private static TimeSpan Bound(TimeSpan wait) =>
        wait < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1)
        : wait > Longest ? Longest
        : wait;
}
