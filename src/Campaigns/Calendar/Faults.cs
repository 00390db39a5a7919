using Campaigns.Results;

namespace Campaigns.Calendar;

/// <summary>Collects every field at fault for one 422.</summary>
internal sealed class Faults(string type)
{
    private readonly List<FieldError> _fields = [];

    public void Add(string path, string detail) => _fields.Add(new(path, detail));

    public Error? ToError() =>
        _fields is [var first, ..] ? new Error(ErrorKind.Invalid, type, first.Detail) { Fields = _fields } : null;
}
