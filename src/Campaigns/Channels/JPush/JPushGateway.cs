using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Campaigns.Results;

namespace Campaigns.Channels.JPush;

/// <summary>JPush, REST version 3: pushes to the bank's app by registration id. Its keys (cid) are fetched ahead and
/// deduplicate for a day. Receipts are polled.</summary>
public sealed class JPushGateway : IGateway
{
    internal const string Name = "jpush";
    private const int ProviderBatch = 1_000;
    private const int KeysACall = 10;
    private const int LongestKey = 64;

    /// <summary>Bytes of JSON that the provider takes of a notification for each system, its braces and what it carries for the
    /// app included; beyond it answers 1005.</summary>
    private const int MostForAndroid = 4_000;
    private const int MostForIos = 2_000;
    private static readonly TimeSpan KeepSpareKeys = TimeSpan.FromHours(1);

    private readonly GatewaySettings _settings;
    private readonly ProviderHttp _http;
    private readonly TimeProvider _time;
    private readonly AuthenticationHeaderValue _authorization;
    private readonly Queue<(string Key, long FetchedAt)> _spare = new();
    private readonly Lock _lock = new();

    internal JPushGateway(GatewaySettings settings, ProviderHttp http, TimeProvider time)
    {
        (_settings, _http, _time) = (settings, http, time);
        var credentials = Encoding.UTF8.GetBytes($"{settings.KeyId}:{settings.Secret}");
        _authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(credentials));
        Declaration = new GatewayDeclaration
        {
            Name = Name,
            Channel = Channel.App,
            Purposes = new HashSet<Purpose> { Purpose.Marketing, Purpose.Servicing },
            Variables = false,
            Sender = AddedBy.NotNeeded,
            Refusal = AddedBy.NotNeeded,
            MaxBatch = Math.Min(settings.MaxBatch ?? ProviderBatch, ProviderBatch),
            Dedupe = Dedupe.Key,
            DedupePeriod = TimeSpan.FromDays(1) - KeepSpareKeys,
            RatePerSecond = 600 / 60.0, // 600 a minute on the free plan
        };
    }

    /// <inheritdoc/>
    public GatewayDeclaration Declaration { get; }

    /// <inheritdoc/>
    public IEnumerable<string> FaultsOf(MessageContent content)
    {
        var (title, text) = (content.Title ?? "", content.Text);
        var extras = Extras(new string('0', LongestKey), content.Link);
        (string System, object Notification, int Most)[] forms =
        [
            ("Android", Android(title, text, extras), MostForAndroid),
            ("iOS", Ios(title, text, extras), MostForIos),
        ];
        return from form in forms
            let bytes = JsonSerializer.SerializeToUtf8Bytes(form.Notification, ProviderWords.Json).Length
            where bytes > form.Most
            select $"makes, with title and link, a notification of {bytes} bytes for {form.System}, where JPush takes "
                + $"{form.Most} (a 汉字 has three): shorten it";
    }

    /// <inheritdoc/>
    public bool ReservesKeys => true;

    /// <inheritdoc/>
    public async Task<ReservedKeys> ReserveKeysAsync(int count, CancellationToken cancellationToken)
    {
        var keys = TakeSpare(count);
        while (keys.Count < count)
        {
            var (fetched, refusal) = await FetchKeysAsync(cancellationToken);
            if (refusal is not null)
            {
                return new ReservedKeys(keys, refusal);
            }

            var wanted = Math.Min(count - keys.Count, fetched.Count);
            keys.AddRange(fetched.Take(wanted));
            KeepSpare(fetched.Skip(wanted));
        }

        return new ReservedKeys(keys, null);
    }

    /// <inheritdoc/>
    public async Task<SendResult> SendAsync(SendRequest request, CancellationToken cancellationToken)
    {
        var text = ProviderWords.Fill(request.Content.Text, request.Items[0].Variables);
        var title = request.Content.Title is { } given ? ProviderWords.Fill(given, request.Items[0].Variables) : "";
        if (text is null || title is null)
        {
            return ProviderWords.All(request, SendState.Rejected, ProviderWords.TemplateError);
        }

        var answer = await CallAsync(_settings.BaseUrl!, "/v3/push", Push(request, title, text), cancellationToken);
        return answer switch
        {
            ProviderAnswer.NotSent => ProviderWords.All(request, SendState.Retryable, "unreachable"),
            ProviderAnswer.Silent silent => new SendResult.Unanswered(silent.Reason),
            ProviderAnswer.Reply { Status: HttpStatusCode.OK } reply => Accepted(request, reply),
            ProviderAnswer.Reply reply => JPushCodes.Understand(request, reply),
            _ => throw new InvalidOperationException(),
        };
    }

    /// <summary>Asks what became of one push. Only what is settled is answered; ask again later for the rest.</summary>
    /// <param name="messageId">The id it was accepted with.</param>
    /// <param name="sentOn">The day it was sent, in China.</param>
    /// <param name="registrationIds">1 to 1,000 of those it was sent to.</param>
    /// <param name="at">The instant that receipts are to bear: the provider tells none.</param>
    /// <returns>Receipts, none where the provider refuses what is asked; or, where it would answer no other question either, an
    /// error of kind <see cref="ErrorKind.Unavailable"/> with the time to wait.</returns>
    public async Task<Result<ProviderReceipt[]>> PollReceiptsAsync(
        string messageId,
        DateOnly sentOn,
        IReadOnlyList<string> registrationIds,
        DateTimeOffset at,
        CancellationToken cancellationToken
    )
    {
        if (!long.TryParse(messageId, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return Array.Empty<ProviderReceipt>();
        }

        var body = new
        {
            msg_id = number,
            registration_ids = registrationIds,
            date = sentOn.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        };
        var root = _settings.ReportUrl ?? _settings.BaseUrl!;
        var answer = await CallAsync(root, "/v3/status/message", body, cancellationToken);
        return answer switch
        {
            ProviderAnswer.Reply { Status: HttpStatusCode.OK } reply when reply.Json() is { } json => registrationIds
                .Select(id => Receipt(messageId, id, json, at))
                .OfType<ProviderReceipt>()
                .ToArray(),
            ProviderAnswer.Reply reply when IsOfTheCall(reply) => Array.Empty<ProviderReceipt>(),
            _ => new Error(ErrorKind.Unavailable, "receipts-unavailable", "The provider's receipts cannot be read now.")
            {
                RetryAfter = (answer as ProviderAnswer.Reply)?.RetryAfter ?? RetryAfter.Unsaid,
            },
        };
    }

    private static bool IsOfTheCall(ProviderAnswer.Reply reply) =>
        (int)reply.Status is >= 400 and < 500 && JPushCodes.Refused(reply) is null;

    private object Push(SendRequest request, string title, string text)
    {
        var extras = Extras(request.Key, request.Content.Link);
        return new
        {
            cid = request.Key,
            platform = "all",
            audience = new { registration_id = request.Items.Select(item => item.Address) },
            notification = new { android = Android(title, text, extras), ios = Ios(title, text, extras) },
            options = new
            {
                time_to_live = (int)_settings.TimeToLive.TotalSeconds,
                apns_production = _settings.ApnsProduction,
            },
        };
    }

    private static object Android(string title, string text, Dictionary<string, string> extras) =>
        new
        {
            alert = text,
            title,
            extras,
        };

    private static object Ios(string title, string text, Dictionary<string, string> extras) =>
        new { alert = new { title, body = text }, extras };

    private static Dictionary<string, string> Extras(string key, string? link)
    {
        var extras = new Dictionary<string, string> { ["key"] = key };
        if (link is not null)
        {
            extras["link"] = link;
        }

        return extras;
    }

    private static SendResult Accepted(SendRequest request, ProviderAnswer.Reply reply) =>
        ProviderWords.Id(reply.Json()?.Text("msg_id")) is { } id
            ? ProviderWords.All(request, SendState.Accepted, null, id)
            : new SendResult.Unanswered("the answer, with status 200, is not the provider's");

    private async Task<(List<string> Keys, SendResult? Refusal)> FetchKeysAsync(CancellationToken cancellationToken)
    {
        var path = $"/v3/push/cid?count={KeysACall}&type=push";
        var answer = await CallAsync(_settings.BaseUrl!, path, body: null, cancellationToken);
        if (answer is not ProviderAnswer.Reply reply)
        {
            return ([], new SendResult.Unanswered("no keys were given"));
        }

        if (reply.Status != HttpStatusCode.OK)
        {
            return (
                [],
                JPushCodes.Refused(reply) ?? new SendResult.Unanswered($"no keys were given ({(int)reply.Status})")
            );
        }

        var keys =
            reply.Json() is { } json
            && json.TryGetProperty("cidlist", out var list)
            && list.ValueKind == JsonValueKind.Array
                ? list.EnumerateArray().Select(key => key.ToString()).Where(IsKey).ToList()
                : [];
        return keys.Count > 0 ? (keys, null) : (keys, new SendResult.Unanswered("the keys given cannot be read"));
    }

    private static bool IsKey(string key) =>
        key.Length is > 0 and <= LongestKey
        && key.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_');

    private List<string> TakeSpare(int count)
    {
        lock (_lock)
        {
            var taken = new List<string>(count);
            while (taken.Count < count && _spare.TryDequeue(out var spare))
            {
                if (_time.GetElapsedTime(spare.FetchedAt) < KeepSpareKeys)
                {
                    taken.Add(spare.Key);
                }
            }

            return taken;
        }
    }

    private void KeepSpare(IEnumerable<string> keys)
    {
        lock (_lock)
        {
            foreach (var key in keys)
            {
                _spare.Enqueue((key, _time.GetTimestamp()));
            }
        }
    }

    private ProviderReceipt? Receipt(string messageId, string registrationId, JsonElement json, DateTimeOffset at)
    {
        if (!json.TryGetProperty(registrationId, out var entry) || entry.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        var status = entry.Text("status");
        return status is "0" or "2" or "3"
            ? new ProviderReceipt(
                Name,
                EventIds.Of(_settings.Secret, messageId, registrationId, status),
                RequestKey: null,
                messageId,
                registrationId,
                status == "0" ? ReceiptState.Delivered : ReceiptState.Failed,
                status == "0" ? null : $"status_{status}",
                at
            )
            : null; // 1: not yet; 4: the provider cannot say now
    }

    private async Task<ProviderAnswer> CallAsync(
        Uri root,
        string path,
        object? body,
        CancellationToken cancellationToken
    )
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(_settings.Timeout);
        using var message = new HttpRequestMessage(body is null ? HttpMethod.Get : HttpMethod.Post, new Uri(root, path))
        {
            Content = body is null ? null : ProviderWords.JsonContent(body),
        };
        message.Headers.Authorization = _authorization;
        return await _http.SendAsync(message, deadline.Token);
    }
}
