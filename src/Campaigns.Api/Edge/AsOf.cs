using System.Globalization;
using System.Reflection;
using Campaigns.Results;

namespace Campaigns.Api.Edge;

/// <summary>The instant that is asked about, from <c>?asOf=</c>: a parameter of a handler. Anything but a time with its
/// offset answers 400.</summary>
/// <param name="Instant">Null when the caller does not say.</param>
internal sealed record AsOf(DateTimeOffset? Instant)
{
    private static readonly string[] Forms = ["yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"];

    public static ValueTask<AsOf?> BindAsync(HttpContext context, ParameterInfo parameter)
    {
        _ = parameter;
        return ValueTask.FromResult<AsOf?>(
            context.Request.Query["asOf"] switch
            {
                [] => new AsOf((DateTimeOffset?)null),
                [{ } text]
                    when text.AsSpan(Math.Min(10, text.Length)).ContainsAny('Z', '+', '-')
                        && DateTimeOffset.TryParseExact(
                            text,
                            Forms,
                            CultureInfo.InvariantCulture,
                            DateTimeStyles.None,
                            out var instant
                        ) => new AsOf(instant),
                _ => throw new RefusedException(
                    Error.Validation(
                        new FieldError(
                            "asOf",
                            "must be a time with its offset, such as 2026-03-02T08:00:00Z (+ is %2B)"
                        )
                    )
                ),
            }
        );
    }
}
