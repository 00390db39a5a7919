using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using System.Xml;

namespace Campaigns.Json;

/// <summary>The one form of JSON, on the wire and in the database: camelCase members, lower-case enums, durations as
/// ISO 8601, times with their offset. Reading is strict: no unknown or repeated member, no number in quotes.</summary>
public static class ProductJson
{
    /// <summary>Deepest nesting that is read.</summary>
    public const int MaxDepth = 64;

    public static readonly JsonSerializerOptions Options = Configure(
        // Else it has none before the first use, and asking it for a type fails.
        new JsonSerializerOptions { TypeInfoResolver = new DefaultJsonTypeInfoResolver() }
    );

    /// <summary>Gives the options this form.</summary>
    public static JsonSerializerOptions Configure(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        options.PropertyNameCaseInsensitive = false;
        options.NumberHandling = JsonNumberHandling.Strict;
        options.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
        options.AllowDuplicateProperties = false;
        options.MaxDepth = MaxDepth;
        options.RespectNullableAnnotations = true;
        options.RespectRequiredConstructorParameters = true;
        options.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        options.Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
        options.Converters.Add(new JsonStringEnumConverter(LowerCase.Policy, allowIntegerValues: false));
        options.Converters.Add(new DurationConverter());
        options.Converters.Add(new InstantConverter());
        options.Converters.Add(new LocalTimeConverter());
        options.Converters.Add(new FiniteDoubleConverter());
        return options;
    }

    /// <summary>How an enum's name is written: all lower-case, as in <c>wechat</c>.</summary>
    public static string NameOf<T>(T value)
        where T : struct, Enum => LowerCase.Policy.ConvertName(value.ToString());

    private sealed class LowerCase : JsonNamingPolicy
    {
        public static readonly LowerCase Policy = new();

#pragma warning disable CA1308 // lower case is the form on the wire, not a way to compare
        public override string ConvertName(string name) => name.ToLowerInvariant();
#pragma warning restore CA1308
    }

    /// <summary>ISO 8601 durations of weeks-free days and smaller, such as P14D or PT2H30M: years and months have no fixed
    /// length and are refused.</summary>
    private sealed class DurationConverter : JsonConverter<TimeSpan>
    {
        public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            var text = reader.GetString();
            if (text is null || text.Split('T')[0].AsSpan().IndexOfAny('Y', 'M') >= 0)
            {
                throw new JsonException();
            }

            try
            {
                return XmlConvert.ToTimeSpan(text);
            }
            catch (Exception exception) when (exception is FormatException or OverflowException)
            {
                throw new JsonException(null, exception);
            }
        }

        public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options) =>
            writer.WriteStringValue(XmlConvert.ToString(value));
    }

    /// <summary>RFC 3339 with an offset: a local time without one would mean something else on every server.</summary>
    private sealed class InstantConverter : JsonConverter<DateTimeOffset>
    {
        public override DateTimeOffset Read(
            ref Utf8JsonReader reader,
            Type typeToConvert,
            JsonSerializerOptions options
        )
        {
            var text = reader.GetString();
            if (text is null || !HasOffset(text) || !reader.TryGetDateTimeOffset(out var value))
            {
                throw new JsonException();
            }

            return value;
        }

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value);

        private static bool HasOffset(string text)
        {
            var time = text.IndexOf('T', StringComparison.Ordinal);
            return time >= 0 && text.AsSpan(time).IndexOfAny('Z', '+', '-') >= 0;
        }
    }

    /// <summary>Hours and minutes, such as 08:00; seconds only where there are any.</summary>
    private sealed class LocalTimeConverter : JsonConverter<TimeOnly>
    {
        private static readonly string[] Forms = ["HH:mm", "HH:mm:ss"];

        public override TimeOnly Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            TimeOnly.TryParseExact(
                reader.GetString(),
                Forms,
                CultureInfo.InvariantCulture,
                DateTimeStyles.None,
                out var value
            )
                ? value
                : throw new JsonException();

        public override void Write(Utf8JsonWriter writer, TimeOnly value, JsonSerializerOptions options) =>
            writer.WriteStringValue(
                value.ToString(value.Second == 0 ? "HH:mm" : "HH:mm:ss", CultureInfo.InvariantCulture)
            );
    }

    /// <summary>1e400 would otherwise be read as infinity.</summary>
    private sealed class FiniteDoubleConverter : JsonConverter<double>
    {
        public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TryGetDouble(out var value) && double.IsFinite(value) ? value : throw new JsonException();

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options) =>
            writer.WriteNumberValue(value);
    }
}
