using System.Text.Json;

namespace Campaigns.Segments;

/// <summary>A segment at one of its versions.</summary>
public sealed record Segment
{
    /// <summary>Given by the client: 1 to 63 characters of <c>[a-z0-9-]</c>, the first no hyphen.</summary>
    public required string SegmentId { get; init; }

    /// <summary>1 for the first; grows with every change, be it of a segment that the rule names.</summary>
    public required int Version { get; init; }

    /// <summary>For people; 1 to 200 characters.</summary>
    public required string Name { get; init; }

    /// <summary>Null for an uploaded list.</summary>
    public JsonElement? Rule { get; init; }

    /// <summary>Customers on the uploaded list; null where there is a rule.</summary>
    public int? ListSize { get; init; }

    /// <summary>The segments that the rule names, at the versions this one stands for.</summary>
    public required IReadOnlyList<SegmentReference> Uses { get; init; }

    /// <summary>Who made this version.</summary>
    public required string CreatedBy { get; init; }

    /// <summary>Business time.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    internal Rule? Parsed { get; init; }

    /// <summary>The rule in words; null where the field catalogue has changed so that it cannot be read any more.</summary>
    public string? Describe(RuleLanguage language)
    {
        var words = RuleWords.In(language);
        return ListSize is not null ? words.List
            : Parsed is not null ? words.Say(Parsed)
            : null;
    }
}

/// <summary>What a marketer sends to make or change a segment.</summary>
/// <param name="Name">1 to 200 characters.</param>
/// <param name="Rule">Null to keep the list that was uploaded.</param>
public sealed record SegmentDraft(string Name, JsonElement? Rule);

/// <summary>A change, or the lack of one.</summary>
/// <param name="Created">Whether there was no such segment before.</param>
/// <param name="Changed">Whether there is a new version; sending the same again makes none.</param>
public sealed record SegmentSaved(Segment Segment, bool Created, bool Changed);
