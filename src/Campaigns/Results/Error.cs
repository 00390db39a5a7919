namespace Campaigns.Results;

/// <summary>What kind of refusal an <see cref="Error"/> is; the HTTP edge turns it into a status, once.</summary>
public enum ErrorKind
{
    /// <summary>400: the request cannot be read, or a member has the wrong form.</summary>
    Malformed,

    /// <summary>422: well formed, and still not acceptable.</summary>
    Invalid,

    /// <summary>404.</summary>
    NotFound,

    /// <summary>409: not in this state.</summary>
    Conflict,

    /// <summary>412: the caller saw another version.</summary>
    Precondition,

    /// <summary>403.</summary>
    Forbidden,

    /// <summary>401.</summary>
    Unauthenticated,

    /// <summary>413: more than is accepted at once.</summary>
    TooLarge,

    /// <summary>429 or 503: try again after <see cref="Error.RetryAfter"/>.</summary>
    Unavailable,
}

/// <summary>An expected failure, as a value.</summary>
/// <param name="Kind">Decides the status.</param>
/// <param name="Type">A stable slug in kebab-case, such as <c>invalid-state</c>; callers may switch on it.</param>
/// <param name="Detail">One sentence for a person, saying what to do next; never echoes an address or a secret.</param>
public sealed record Error(ErrorKind Kind, string Type, string Detail)
{
    /// <summary>Every field at fault, all at once; empty when the fault is not a field's.</summary>
    public IReadOnlyList<FieldError> Fields { get; init; } = [];

    /// <summary>How long to wait, where waiting helps.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>400 <c>validation-failed</c> with the fields at fault.</summary>
    public static Error Validation(params FieldError[] fields) =>
        new(ErrorKind.Malformed, "validation-failed", "One or more fields are not valid.") { Fields = fields };

    /// <summary>422 with one field at fault.</summary>
    public static Error Invalid(string type, string path, string detail) =>
        new(ErrorKind.Invalid, type, detail) { Fields = [new(path, detail)] };

    /// <summary>404 <c>not-found</c>.</summary>
    public static Error NotFound(string what, string id) =>
        new(ErrorKind.NotFound, "not-found", $"There is no {what} '{id}'.");

    /// <summary>412 <c>version-mismatch</c>: the caller saw another version than the newest.</summary>
    public static Error VersionMismatch(string what, string id, int newest) =>
        new(
            ErrorKind.Precondition,
            "version-mismatch",
            $"The newest version of {what} '{id}' is {newest}: look at it and ask again."
        );

    /// <summary>409 <c>invalid-state</c>.</summary>
    public static Error InvalidState(string detail) => new(ErrorKind.Conflict, "invalid-state", detail);
}

/// <summary>One field at fault.</summary>
/// <param name="Path">Where, as in <c>rule.all[2].field</c>.</param>
/// <param name="Detail">Why.</param>
public sealed record FieldError(string Path, string Detail);
