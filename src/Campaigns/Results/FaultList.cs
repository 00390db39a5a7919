namespace Campaigns.Results;

/// <summary>Collects what is wrong with a request, so that a caller learns all of it at once.</summary>
public sealed class FaultList
{
    private readonly List<(ErrorKind Kind, string Type, FieldError Field)> _faults = [];

    public bool IsEmpty => _faults.Count == 0;

    /// <summary>A member of the wrong form: 400 <c>validation-failed</c>.</summary>
    public void Malformed(string path, string detail) =>
        _faults.Add((ErrorKind.Malformed, "validation-failed", new FieldError(path, detail)));

    /// <summary>A member of the right form that is still not acceptable: 422 with this slug.</summary>
    public void Invalid(string type, string path, string detail) =>
        _faults.Add((ErrorKind.Invalid, type, new FieldError(path, detail)));

    /// <summary>What another check found; null for nothing.</summary>
    public void Add(Error? error)
    {
        foreach (var field in error?.Fields ?? [])
        {
            _faults.Add((error!.Kind, error.Type, field));
        }
    }

    /// <summary>Null when all is well. A member of the wrong form decides kind and type; else the first fault does. Every
    /// field is named.</summary>
    public Error? ToError()
    {
        if (IsEmpty)
        {
            return null;
        }

        var fields = _faults.Select(fault => fault.Field).ToList();
        var (kind, type, first) = _faults.Find(fault => fault.Kind == ErrorKind.Malformed)
            is { Type: not null } malformed
            ? malformed
            : _faults[0];
        var detail = fields.Count == 1 ? $"{first.Path}: {first.Detail}." : "Several fields are not acceptable.";
        return new Error(kind, type, detail) { Fields = fields };
    }
}
