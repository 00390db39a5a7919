using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Campaigns.Simulator.Providers;

/// <summary>Dysms 2017-05-25 in RPC style: SendSms and SendBatchSms, parameters in the query or a form, signature
/// version 1.</summary>
internal sealed class AliyunProvider(Exchange exchange, SimulatorOptions options) : IDialect
{
    private const int NoncesKept = 100_000;
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(15);

    private readonly Lock _lock = new();
    private readonly HashSet<string> _nonces = [];
    private readonly Queue<string> _nonceAge = new();

    public bool Dedupes => false;

    public Reply Accept(string providerId, bool repeated) =>
        new(
            200,
            new
            {
                Code = "OK",
                Message = "OK",
                BizId = providerId,
                RequestId = RequestId(),
            }
        );

    public Reply Refuse(string? code) => Business(code ?? "isv.BUSINESS_LIMIT_CONTROL");

    public Reply TooFast() => Error(429, "Throttling.User", "Request was denied due to user flow control.");

    internal async Task HandleAsync(HttpContext context)
    {
        var parameters = context.Request.Query.ToDictionary(pair => pair.Key, pair => pair.Value.ToString());
        if (context.Request.HasFormContentType)
        {
            foreach (var (name, value) in await context.Request.ReadFormAsync(context.RequestAborted))
            {
                parameters[name] = value.ToString();
            }
        }

        if (Unauthorised(context.Request.Method, parameters) is { } refusal)
        {
            await Misbehaviour.WellAsync(context, refusal, context.RequestAborted);
            return;
        }

        var (incoming, fault) = parameters["Action"] switch
        {
            "SendBatchSms" => Batch(parameters),
            "SendSms" => Single(parameters),
            _ => (null, Error(404, "InvalidAction.NotFound", "Specified api is not found.")),
        };
        await (
            incoming is null
                ? Misbehaviour.WellAsync(context, fault!, context.RequestAborted)
                : exchange.RunAsync(context, incoming, this)
        );
    }

    /// <summary>Null for who may call.</summary>
    private Reply? Unauthorised(string method, Dictionary<string, string> parameters)
    {
        string[] required =
        [
            "Action",
            "Version",
            "AccessKeyId",
            "SignatureMethod",
            "SignatureVersion",
            "SignatureNonce",
            "Timestamp",
            "Signature",
        ];
        if (Array.Find(required, name => !parameters.ContainsKey(name)) is { } missing)
        {
            return Error(400, $"Missing{missing}", $"{missing} is mandatory for this action.");
        }

        if (parameters["AccessKeyId"] != options.AliyunKeyId)
        {
            return Error(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.");
        }

        if (parameters["Version"] != "2017-05-25")
        {
            return Error(400, "InvalidVersion", "Specified parameter Version is not valid.");
        }

        if (!SignatureFits(method, parameters))
        {
            return Error(400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation.");
        }

        const DateTimeStyles utc = DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal;
        var timely =
            DateTimeOffset.TryParseExact(parameters["Timestamp"], "yyyy-MM-dd'T'HH:mm:ss'Z'", null, utc, out var at)
            && (at - DateTimeOffset.UtcNow).Duration() <= ClockTolerance;
        return !timely ? Error(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
            : !IsFresh(parameters["SignatureNonce"])
                ? Error(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
            : null;
    }

    private bool SignatureFits(string method, Dictionary<string, string> parameters)
    {
        var sorted = parameters
            .Where(pair => pair.Key != "Signature")
            .OrderBy(pair => pair.Key, StringComparer.Ordinal)
            .Select(pair => $"{Uri.EscapeDataString(pair.Key)}={Uri.EscapeDataString(pair.Value)}");
        var text = $"{method}&%2F&{Uri.EscapeDataString(string.Join('&', sorted))}";
#pragma warning disable CA5350 // the provider's choice
        var hash = HMACSHA1.HashData(Encoding.UTF8.GetBytes(options.AliyunSecret + "&"), Encoding.UTF8.GetBytes(text));
#pragma warning restore CA5350
        return CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(Convert.ToBase64String(hash)),
            Encoding.UTF8.GetBytes(parameters["Signature"])
        );
    }

    private bool IsFresh(string nonce)
    {
        lock (_lock)
        {
            if (!_nonces.Add(nonce))
            {
                return false;
            }

            _nonceAge.Enqueue(nonce);
            if (_nonceAge.Count > NoncesKept)
            {
                _nonces.Remove(_nonceAge.Dequeue());
            }

            return true;
        }
    }

    private static (Incoming?, Reply?) Batch(Dictionary<string, string> parameters)
    {
        var phones = Texts(parameters.GetValueOrDefault("PhoneNumberJson"));
        var signs = Texts(parameters.GetValueOrDefault("SignNameJson"));
        var values = parameters.TryGetValue("TemplateParamJson", out var json) ? Texts(json) : [];
        return phones is null || signs is null || values is null ? (null, Business("isv.INVALID_JSON_PARAM"))
            : phones.Count > 100 ? (null, Business("isv.MOBILE_COUNT_OVER_LIMIT"))
            : signs.Count != phones.Count || (values.Count > 0 && values.Count != phones.Count)
                ? (null, Business("isv.INVALID_PARAMETERS"))
            : Checked(parameters, phones, signs, values);
    }

    private static (Incoming?, Reply?) Single(Dictionary<string, string> parameters)
    {
        var phones = parameters.GetValueOrDefault("PhoneNumbers", "").Split(',', StringSplitOptions.RemoveEmptyEntries);
        var sign = parameters.GetValueOrDefault("SignName", "");
        var values = parameters.GetValueOrDefault("TemplateParam", "");
        return phones.Length > 1_000
            ? (null, Business("isv.MOBILE_COUNT_OVER_LIMIT"))
            : Checked(parameters, phones, [.. phones.Select(_ => sign)], [.. phones.Select(_ => values)]);
    }

    private static (Incoming?, Reply?) Checked(
        Dictionary<string, string> parameters,
        IReadOnlyList<string> phones,
        List<string> signs,
        List<string> values
    )
    {
        var template = parameters.GetValueOrDefault("TemplateCode", "");
        var fault =
            phones.Count == 0 || phones.Any(phone => !IsPhone(phone)) ? "isv.MOBILE_NUMBER_ILLEGAL"
            : signs.Any(sign => sign.Length == 0) ? "isv.SMS_SIGNATURE_ILLEGAL"
            : template.Length == 0 ? "isv.SMS_TEMPLATE_ILLEGAL"
            : parameters.GetValueOrDefault("OutId", "").Length >= 256 ? "isv.PARAM_LENGTH_LIMIT"
            : null;
        return fault is not null
            ? (null, Business(fault))
            : (
                new Incoming(
                    Channels.Sms,
                    parameters.GetValueOrDefault("OutId"),
                    phones,
                    index => $"【{signs[index]}】{template}{(values.Count > 0 ? values[index] : "")}"
                ),
                null
            );
    }

    private static bool IsPhone(string phone) =>
        phone.All(char.IsAsciiDigit)
        && (phone.Length == 11 ? phone[0] == '1' && phone[1] >= '3' : phone.Length is >= 8 and <= 15);

    /// <summary>A JSON array as texts, its objects as they are written; null for anything else.</summary>
    private static List<string>? Texts(string? json)
    {
        try
        {
            using var document = JsonDocument.Parse(json ?? "");
            return document.RootElement.ValueKind == JsonValueKind.Array
                ? [.. document.RootElement.EnumerateArray().Select(entry => entry.ToString())]
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static Reply Business(string code) =>
        new(
            200,
            new
            {
                Code = code,
                Message = code,
                RequestId = RequestId(),
            }
        );

    private static Reply Error(int status, string code, string message) =>
        new(
            status,
            new
            {
                RequestId = RequestId(),
                HostId = "dysmsapi.aliyuncs.com",
                Code = code,
                Message = message,
            }
        );

    private static string RequestId() => Guid.NewGuid().ToString("D").ToUpperInvariant();
}

internal static class AliyunRoutes
{
    internal static void MapAliyun(this IEndpointRouteBuilder app)
    {
        var provider = app.ServiceProvider.GetRequiredService<AliyunProvider>();
        app.MapMethods("/", ["GET", "POST"], provider.HandleAsync);
    }
}
