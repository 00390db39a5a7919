using Npgsql;
using NpgsqlTypes;

namespace Campaigns.Segments;

/// <summary>A segment, at one of its versions or at its newest.</summary>
/// <param name="Version">Null for the newest; always set in what a compilation answers.</param>
public sealed record SegmentReference(string SegmentId, int? Version = null);

/// <summary>A segment whose members a campaign leaves out. Whether somebody without the consent for sensitive data is a
/// member of one that uses such data cannot be looked up: all of them are left out, whatever their data.</summary>
/// <param name="Version">Null for the newest.</param>
public sealed record ExcludedSegment(string SegmentId, int? Version = null)
{
    public static implicit operator ExcludedSegment(SegmentReference reference) =>
        new(reference.SegmentId, reference.Version);
}

/// <summary>The members of one or more segments as a condition for a set-based statement.</summary>
/// <param name="Condition">
/// A boolean SQL expression in brackets, never null, over the aliases <c>c</c> (a row of <c>customer</c>) and <c>k</c> (its
/// row of <c>contact</c>). Conditions on events and uploaded lists are uncorrelated sub-selects over the keys from
/// <c>@low</c> (included) to <c>@high</c> (excluded), hashed once a statement, so the statement must ask for no customer
/// outside them, and should bound the keys of both <c>c</c> and <c>k</c> by them. A hash fits into <c>work_mem</c> as it
/// comes (4 MB) up to some 200,000 keys; where it does not, the statement is quadratic.
/// The caller binds <c>@as_of timestamptz</c>, <c>@low bigint</c> and <c>@high bigint</c> beside the parameters.
/// </param>
/// <param name="Parameters">Every value of the rules; none of them is ever part of the condition's text.</param>
/// <param name="UsesSensitive">Whether a field marked sensitive is used. A segment that uses one, itself or through
/// another, has no member without the consent for sensitive data (<c>k.sensitive_consent</c>), and where it is excluded all
/// of these are: the condition sees to it.</param>
/// <param name="UsesProfiling">Whether a profiling field or an uploaded list is used.</param>
/// <param name="Segments">All segments used, those named by others included, each with its version.</param>
public sealed record CompiledRule(
    string Condition,
    IReadOnlyList<RuleParameter> Parameters,
    bool UsesSensitive,
    bool UsesProfiling,
    IReadOnlyList<SegmentReference> Segments
);

/// <summary>A value of a compiled rule. Those that are relative, such as "today − 30 days", get their value when they are
/// bound.</summary>
public sealed class RuleParameter
{
    private readonly NpgsqlDbType _type;
    private readonly Func<DateTimeOffset, object> _value;

    internal RuleParameter(string name, NpgsqlDbType type, Func<DateTimeOffset, object> value) =>
        (Name, _type, _value) = (name, type, value);

    /// <summary>Without the at sign; starts with the prefix that the caller gave.</summary>
    public string Name { get; }

    /// <summary>The parameter for a command.</summary>
    /// <param name="asOf">The same instant as <c>@as_of</c>.</param>
    public NpgsqlParameter Bind(DateTimeOffset asOf) => new(Name, _type) { Value = _value(asOf) };
}
