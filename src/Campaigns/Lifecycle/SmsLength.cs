using Campaigns.Channels;
using Campaigns.Customers;

namespace Campaigns.Lifecycle;

/// <summary>How long a template is as a short message, as received: with sender and way to refuse, whoever adds them.
/// </summary>
public sealed record SmsLength
{
    /// <summary>With its defaults; a customer's own values may need <c>ucs2</c>.</summary>
    public required SmsEncoding Encoding { get; init; }

    /// <summary>Unicode code points, with its defaults, and nothing where a place has none.</summary>
    public required int Characters { get; init; }

    /// <summary>Likewise: what it is reckoned to cost.</summary>
    public required int Segments { get; init; }

    /// <summary>What no customer's values exceed, however long the fields allow them to be.</summary>
    public required int MostSegments { get; init; }

    internal static SmsLength Of(
        TemplateDraft draft,
        IReadOnlyDictionary<string, Field> fields,
        GatewayDeclaration gateway,
        string defaultSender
    )
    {
        var names = TemplateChecks.Variables(draft.Text).ToList();
        string Received(Func<string, string> value) =>
            ReceivedText.Of(
                gateway,
                draft.Purpose,
                draft.Sender ?? defaultSender,
                // Null where a place cannot be read, which is refused elsewhere.
                ProviderWords.Fill(draft.Text, names.Distinct().ToDictionary(name => name, value)) ?? draft.Text
            );
        var size = SmsText.Measure(Received(name => draft.Defaults.GetValueOrDefault(name) ?? ""));
        return new SmsLength
        {
            Encoding = size.Encoding,
            Characters = size.Characters,
            Segments = size.Segments,
            MostSegments =
                names.Count == 0
                    ? size.Segments
                    : Most(Received(_ => ""), [.. names.Select(name => Place.Of(name, draft, fields))]),
        };
    }

    private static int Most(string written, IReadOnlyList<Place> places)
    {
        var encoding =
            SmsText.EncodingOf(written) == SmsEncoding.Ucs2 || places.Any(place => place.Encoding == SmsEncoding.Ucs2)
                ? SmsEncoding.Ucs2
                : SmsEncoding.Gsm7;
        var units = SmsText.UnitsOf(written, encoding) + places.Sum(place => place.Units(encoding));
        return SmsText.SegmentsAtMost(encoding, units);
    }

    /// <summary>What may come to stand in a place.</summary>
    /// <param name="Known">All that can be told: the default, and the options of an enum.</param>
    /// <param name="Longest">Of any other value, in UTF-16 units; of those that need no UCS-2, in septets.</param>
    private sealed record Place(IReadOnlyList<string> Known, int Longest, bool AnyCharacter)
    {
        internal SmsEncoding Encoding =>
            AnyCharacter || Known.Any(value => SmsText.EncodingOf(value) == SmsEncoding.Ucs2)
                ? SmsEncoding.Ucs2
                : SmsEncoding.Gsm7;

        internal static Place Of(string name, TemplateDraft draft, IReadOnlyDictionary<string, Field> fields)
        {
            string[] known = draft.Defaults.GetValueOrDefault(name) is { } value ? [value] : [];
            return fields.GetValueOrDefault(name) switch
            {
                null => new Place(known, 0, false),
                { Type: FieldType.Enum } field => new Place([.. known, .. field.Options], 0, false),
                var field => new Place(known, FieldValues.Longest(field), field.Type == FieldType.Text),
            };
        }

        internal int Units(SmsEncoding encoding) =>
            Known.Select(value => SmsText.UnitsOf(value, encoding)).Append(Longest).Max();
    }
}
