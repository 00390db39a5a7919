using System.Globalization;
using System.Reflection;
using Campaigns.Results;

namespace Campaigns.Api.Edge;

/// <summary>The version a caller saw last, from the If-Match header: a parameter of a handler. Anything but one version,
/// or <c>*</c>, answers 400.</summary>
/// <param name="Version">Null when the caller does not say, or says <c>*</c>.</param>
internal sealed record IfMatch(int? Version)
{
    public static ValueTask<IfMatch?> BindAsync(HttpContext context, ParameterInfo parameter)
    {
        _ = parameter;
        var header = context.Request.Headers.IfMatch;
        return ValueTask.FromResult<IfMatch?>(
            header switch
            {
                [] or ["*"] => new IfMatch((int?)null),
                [{ } tag]
                    when tag.Length > 2
                        && tag[0] == '"'
                        && tag[^1] == '"'
                        && int.TryParse(
                            tag.AsSpan(1, tag.Length - 2),
                            NumberStyles.None,
                            CultureInfo.InvariantCulture,
                            out var version
                        ) => new IfMatch(version),
                _ => throw new RefusedException(
                    Error.Validation(new FieldError("If-Match", "must be one ETag as given, such as \"3\""))
                ),
            }
        );
    }
}
