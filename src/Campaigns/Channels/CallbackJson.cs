using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Campaigns.Results;

namespace Campaigns.Channels;

/// <summary>Callbacks that hold a JSON array of entries.</summary>
public static class CallbackJson
{
    /// <summary>Most bytes of a callback.</summary>
    public const int MaxBytes = 2 << 20;

    private const int MaxContent = 2_000;

    /// <summary>Reads the entries that can be read, and counts the others.</summary>
    /// <param name="member">The member of the body that holds them; null where the body is the array.</param>
    /// <param name="read">Null for an entry that cannot be read.</param>
    /// <returns>413 <c>too-large</c>, or 400 <c>malformed-callback</c> where there is no such array.</returns>
    internal static Result<CallbackBatch<T>> Parse<T>(
        ReadOnlySpan<byte> body,
        string? member,
        Func<JsonElement, T?> read
    )
        where T : class
    {
        if (body.Length > MaxBytes)
        {
            return new Error(ErrorKind.TooLarge, "too-large", "A callback has at most 2 MB.");
        }

        if (!Utf8.IsValid(body))
        {
            return Malformed("The callback is not UTF-8.");
        }

        try
        {
            var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = 8 });
            using var document = JsonDocument.ParseValue(ref reader);
            var entries = document.RootElement;
            var found =
                member is null
                || (entries.ValueKind == JsonValueKind.Object && entries.TryGetProperty(member, out entries));
            return !found || entries.ValueKind != JsonValueKind.Array || reader.Read()
                ? Malformed(
                    member is null
                        ? "The callback is not one array of entries."
                        : $"The callback is not an object with an array of {member}."
                )
                : Collect(entries, read);
        }
        catch (JsonException)
        {
            return Malformed("The callback is not JSON.");
        }
    }

    /// <summary>What a customer wrote, fit to be kept.</summary>
    internal static string Content(string text) =>
        string.Concat(text.EnumerateRunes().Where(rune => !Rune.IsControl(rune)).Take(MaxContent));

    private static CallbackBatch<T> Collect<T>(JsonElement array, Func<JsonElement, T?> read)
        where T : class
    {
        var items = new List<T>(array.GetArrayLength());
        foreach (var entry in array.EnumerateArray())
        {
            if (entry.ValueKind == JsonValueKind.Object && read(entry) is { } item)
            {
                items.Add(item);
            }
        }

        return new CallbackBatch<T>(items, array.GetArrayLength() - items.Count);
    }

    private static Error Malformed(string detail) => new(ErrorKind.Malformed, "malformed-callback", detail);
}
