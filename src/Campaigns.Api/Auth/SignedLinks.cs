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

    /// <summary>The path with an expiry and a signature that covers both. Further query parameters may be added: they
    /// choose a form or a language, never another subject.</summary>
    /// <param name="path">Such as <c>/v1/campaigns/new-citizens-payday/report</c>.</param>
    /// <param name="lifetime">In real time; at most 31 days make sense.</param>
    public SignedLink For(string path, TimeSpan lifetime)
    {
        var expires = time.GetUtcNow() + lifetime;
        var seconds = expires.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        return new SignedLink(
            $"{path}?expires={seconds}&signature={Base64Url.EncodeToString(Sign(path, seconds))}",
            DateTimeOffset.FromUnixTimeSeconds(expires.ToUnixTimeSeconds())
        );
    }

    internal bool IsValid(HttpRequest request)
    {
        var (expires, signature) = (request.Query["expires"], request.Query["signature"]);
        return HttpMethods.IsGet(request.Method)
            && expires is [{ } seconds]
            && signature is [{ Length: < 100 } text]
            && long.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out var until)
            && until > time.GetUtcNow().ToUnixTimeSeconds()
            && Base64Url.IsValid(text)
            && CryptographicOperations.FixedTimeEquals(
                Base64Url.DecodeFromChars(text),
                Sign(request.Path.Value ?? "", seconds)
            );
    }

    private byte[] Sign(string path, string expires) => key.Sign("link", Encoding.UTF8.GetBytes($"{expires}\n{path}"));
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
