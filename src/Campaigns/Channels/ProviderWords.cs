using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Campaigns.Channels;

/// <summary>What gateways share in speaking with providers.</summary>
internal static partial class ProviderWords
{
    /// <summary>Code of an item whose template cannot be filled in.</summary>
    internal const string TemplateError = "template_error";

    /// <summary>JSON with Chinese in clear, as the providers' own samples have it.</summary>
    internal static readonly JsonSerializerOptions Json = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The same answer for every item.</summary>
    internal static SendResult.Answered All(
        SendRequest request,
        SendState state,
        string? code,
        string? providerId = null
    )
    {
        var items = new ItemResult[request.Items.Count];
        Array.Fill(items, new ItemResult(state, code, providerId));
        return new SendResult.Answered(items);
    }

    /// <summary>A provider's code or id, fit for logs and reports: what looks like a telephone number is not let through,
    /// and what is no code at all becomes <c>unreadable</c>.</summary>
    internal static string Code(string? code) => code is not null && CodeShape().IsMatch(code) ? code : "unreadable";

    /// <summary>A provider's id; null when it is none.</summary>
    internal static string? Id(string? id) => id is not null && IdShape().IsMatch(id) ? id : null;

    /// <summary>Text with its <c>{{variable}}</c> places filled in, once; null when a variable is missing.</summary>
    internal static string? Fill(string text, IReadOnlyDictionary<string, string> variables)
    {
        var missing = false;
        var filled = Place()
            .Replace(
                text,
                place =>
                {
                    missing |= !variables.TryGetValue(place.Groups["name"].Value, out var value);
                    return value ?? "";
                }
            );
        return missing ? null : filled;
    }

    /// <summary>A member as text, whether the provider writes it as text or as a number.</summary>
    internal static string? Text(this JsonElement element, string member) =>
        !element.TryGetProperty(member, out var value) ? null
        : value.ValueKind == JsonValueKind.Number ? value.GetRawText()
        : value.ValueKind == JsonValueKind.String ? Unescaped(value)
        : null;

    internal static HttpContent JsonContent(object body) =>
        new StringContent(JsonSerializer.Serialize(body, Json), Encoding.UTF8, "application/json");

    private static string? Unescaped(JsonElement value)
    {
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            return null; // not UTF-8, or half a surrogate pair
        }
    }

    [GeneratedRegex(@"^(?!.*\d{7})[A-Za-z0-9_.:\-]{1,64}$", RegexOptions.None, 100)]
    private static partial Regex CodeShape();

    [GeneratedRegex(@"^[A-Za-z0-9_.:^\-]{1,64}$", RegexOptions.None, 100)]
    private static partial Regex IdShape();

    [GeneratedRegex(@"\{\{\s*(?<name>[\w.\-]+)\s*\}\}", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Place();
}
