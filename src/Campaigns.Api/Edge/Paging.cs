using System.Buffers.Text;
using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Campaigns.Access;
using Campaigns.Results;

namespace Campaigns.Api.Edge;

/// <summary>One page of a list.</summary>
/// <param name="Items">In the list's own order.</param>
/// <param name="Next">The cursor of the next page; null on the last.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? Next = null);

/// <summary>Which page is asked for: a parameter of a list's handler, read from <c>?limit=</c> and <c>?cursor=</c>. A
/// wrong limit answers 400 <c>validation-failed</c>, a cursor that is not ours 400 <c>invalid-cursor</c>.</summary>
internal sealed class Paging
{
    public const int DefaultLimit = 50;
    public const int MaxLimit = 500;
    private const int TagLength = 9;

    private readonly SigningKey _key;
    private readonly string _list;

    private Paging(SigningKey key, string list) => (_key, _list) = (key, list);

    /// <summary>1 to 500.</summary>
    public int Limit { get; private init; }

    /// <summary>The position after which the page begins, as given to <see cref="Page{T}"/>; null for the beginning.
    /// </summary>
    public string? After { get; private init; }

    /// <summary>The page for rows that were read with a limit of <see cref="Limit"/> + 1: one more than asked for shows
    /// that there is a next page.</summary>
    /// <param name="position">Where a row stands in the list's order; becomes <see cref="After"/>.</param>
    public Page<T> Page<T>(IReadOnlyList<T> rows, Func<T, string> position) =>
        rows.Count <= Limit ? new Page<T>(rows) : new Page<T>([.. rows.Take(Limit)], Cursor(position(rows[Limit - 1])));

    public static ValueTask<Paging?> BindAsync(HttpContext context, ParameterInfo parameter)
    {
        _ = parameter;
        var request = context.Request;
        var key = context.RequestServices.GetRequiredService<SigningKey>();
        var list = $"{context.GetEndpoint()?.DisplayName} {request.Path}";
        return ValueTask.FromResult<Paging?>(
            new Paging(key, list) { Limit = ReadLimit(request), After = ReadCursor(request, key, list) }
        );
    }

    private static int ReadLimit(HttpRequest request)
    {
        if (!request.Query.TryGetValue("limit", out var text))
        {
            return DefaultLimit;
        }

        return
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit)
            && limit is >= 1 and <= MaxLimit
            ? limit
            : throw new RefusedException(
                Error.Validation(new FieldError("limit", $"must be a whole number from 1 to {MaxLimit}"))
            );
    }

    private static string? ReadCursor(HttpRequest request, SigningKey key, string list)
    {
        if (!request.Query.TryGetValue("cursor", out var text) || text is [""])
        {
            return null;
        }

        if (text is [{ Length: < 1000 } cursor] && Base64Url.IsValid(cursor))
        {
            var bytes = Base64Url.DecodeFromChars(cursor);
            if (
                bytes.Length >= TagLength
                && CryptographicOperations.FixedTimeEquals(
                    bytes.AsSpan(0, TagLength),
                    Tag(key, list, bytes[TagLength..])
                )
            )
            {
                return Encoding.UTF8.GetString(bytes.AsSpan(TagLength));
            }
        }

        throw new RefusedException(
            new Error(
                ErrorKind.Malformed,
                "invalid-cursor",
                "The cursor is not one this list gave; begin again without it."
            )
        );
    }

    private string Cursor(string position)
    {
        var bytes = Encoding.UTF8.GetBytes(position);
        return Base64Url.EncodeToString([.. Tag(_key, _list, bytes), .. bytes]);
    }

    private static ReadOnlySpan<byte> Tag(SigningKey key, string list, byte[] position) =>
        key.Sign("cursor " + list, position).AsSpan(0, TagLength);
}
