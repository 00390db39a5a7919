using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Campaigns.Access;

namespace Campaigns.Api.Auth;

/// <summary>Links that open one address in a browser, without a key, until they expire.</summary>
internal sealed class SignedLinks(SigningKey key, TimeProvider time)
{
    /// <summary>Who reads by a link.</summary>
    public static readonly Actor Reader = new("link", Role.Analyst);

    private const string Expires = "expires";
    private const string Signature = "signature";

    // What a reader may choose: a form or a language, never another subject.
    private static readonly string[] Free = ["format", "lang"];

    /// <summary>The path and its question with an expiry, and a signature that covers all of them. Whoever follows it may add
    /// or change <c>format</c> and <c>lang</c>, and nothing else.</summary>
    /// <param name="path">Such as <c>/v1/campaigns/new-citizens-payday/report</c>.</param>
    /// <param name="query">What is asked there, such as <c>run=2</c>.</param>
    /// <param name="lifetime">In real time; at most 31 days make sense.</param>
    public SignedLink For(string path, IQueryCollection query, TimeSpan lifetime)
    {
        var question = Question(query);
        var expires = time.GetUtcNow() + lifetime;
        var seconds = expires.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        return new SignedLink(
            $"{path}?{question}{Expires}={seconds}&{Signature}={Base64Url.EncodeToString(Sign(path, question, seconds))}",
            DateTimeOffset.FromUnixTimeSeconds(expires.ToUnixTimeSeconds())
        );
    }

    internal bool IsValid(HttpRequest request)
    {
        var (expires, signature) = (request.Query[Expires], request.Query[Signature]);
        return HttpMethods.IsGet(request.Method)
            && expires is [{ } seconds]
            && signature is [{ Length: < 100 } text]
            && long.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out var until)
            && until > time.GetUtcNow().ToUnixTimeSeconds()
            && Base64Url.IsValid(text)
            && CryptographicOperations.FixedTimeEquals(
                Base64Url.DecodeFromChars(text),
                Sign(request.Path.Value ?? "", Question(request.Query), seconds)
            );
    }

    private byte[] Sign(string path, string question, string expires) =>
        key.Sign("link", Encoding.UTF8.GetBytes($"{expires}\n{path}\n{question}"));

    /// <summary>What is signed of a query, in whatever order it came: each parameter with an ampersand behind it.</summary>
    private static string Question(IQueryCollection query) =>
        string.Concat(
            query
                .Where(pair =>
                    pair.Key is not (Expires or Signature) && !Free.Contains(pair.Key, StringComparer.Ordinal)
                )
                .SelectMany(pair => pair.Value.Select(value => (pair.Key, Value: value ?? "")))
                .OrderBy(one => one.Key, StringComparer.Ordinal)
                .ThenBy(one => one.Value, StringComparer.Ordinal)
                .Select(one => $"{Uri.EscapeDataString(one.Key)}={Uri.EscapeDataString(one.Value)}&")
        );
}

/// <summary>A link that opens in a browser without a key.</summary>
/// <param name="Url">Path and query, to be put behind the service's own address.</param>
/// <param name="ExpiresAt">Refused from then on.</param>
public sealed record SignedLink(string Url, DateTimeOffset ExpiresAt);

/// <summary>Marks an endpoint that a signed link opens.</summary>
internal sealed class TakesSignedLinks
{
    public static readonly TakesSignedLinks Instance = new();
}
