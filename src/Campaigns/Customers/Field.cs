namespace Campaigns.Customers;

/// <summary>What a field's values are. As JSON: a number, a text, a boolean, a date such as <c>2026-02-17</c>, or one of
/// the field's options.</summary>
public enum FieldType
{
    Number,
    Text,
    Boolean,
    Date,
    Enum,
}

/// <summary>An attribute of customers that a rule or a template may name.</summary>
/// <param name="Name">At most 63 characters of <c>[a-z0-9_]</c>, a letter first.</param>
public sealed record Field(string Name, FieldType Type)
{
    /// <summary>The values of an enum, at most 500; empty for every other type.</summary>
    public IReadOnlyList<string> Options { get; init; } = [];

    /// <summary>A rule that uses it leaves out customers who gave no consent for sensitive data; a template that names it
    /// says its default to them.</summary>
    public bool Sensitive { get; init; }

    /// <summary>A score or a learned preference: customers who turned personalisation off are left out of campaigns that
    /// use it.</summary>
    public bool Profiling { get; init; }

    /// <summary>For the people who write rules; at most 500 characters.</summary>
    public string? Description { get; init; }
}
