using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Campaigns.Channels.BankSms;

/// <summary>Signatures of Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over <c>id.timestamp.body</c>, the body as
/// its bytes are on the wire.</summary>
public static partial class WebhookSignature
{
    /// <summary>Names what was sent; the same when it is sent again.</summary>
    public const string IdHeader = "webhook-id";

    /// <summary>When it was sent, in seconds since 1970.</summary>
    public const string TimestampHeader = "webhook-timestamp";

    /// <summary>One or more signatures, with a space between them: while a secret is being changed there are two.</summary>
    public const string SignatureHeader = "webhook-signature";

    /// <summary>How far the timestamp may be from now.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    private const string Version = "v1,";
    private const string Base64Prefix = "whsec_";

    /// <summary><c>v1,</c> and the base64 of the signature.</summary>
    /// <param name="secret"><c>whsec_</c> and the base64 of the key, or any other text, whose UTF-8 bytes are the key.</param>
    public static string Of(string secret, string id, string timestamp, ReadOnlySpan<byte> body) =>
        Version + Convert.ToBase64String(Hash(secret, id, timestamp, body));

    /// <summary>Whether one of the signatures is right and the timestamp near.</summary>
    /// <param name="secret">Where it is empty, no signature is right.</param>
    /// <param name="signatures">As the header has them.</param>
    public static bool Verify(
        string secret,
        string? id,
        string? timestamp,
        string? signatures,
        ReadOnlySpan<byte> body,
        DateTimeOffset now
    )
    {
        if (
            secret.Length == 0
            || id is null
            || !Id().IsMatch(id)
            || !long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            || Math.Abs(now.ToUnixTimeSeconds() - (decimal)seconds) > (decimal)Tolerance.TotalSeconds
        )
        {
            return false;
        }

        var right = Encoding.ASCII.GetBytes(Of(secret, id, timestamp, body));
        var fits = false;
        foreach (var signature in (signatures ?? "").Split(' '))
        {
            fits |= CryptographicOperations.FixedTimeEquals(right, Encoding.UTF8.GetBytes(signature));
        }

        return fits;
    }

    private static byte[] Hash(string secret, string id, string timestamp, ReadOnlySpan<byte> body)
    {
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Key(secret));
        hmac.AppendData(Encoding.UTF8.GetBytes($"{id}.{timestamp}."));
        hmac.AppendData(body);
        return hmac.GetHashAndReset();
    }

    private static byte[] Key(string secret)
    {
        if (secret.StartsWith(Base64Prefix, StringComparison.Ordinal))
        {
            var key = new byte[secret.Length];
            if (Convert.TryFromBase64String(secret[Base64Prefix.Length..], key, out var length))
            {
                return key[..length];
            }
        }

        return Encoding.UTF8.GetBytes(secret);
    }

    // Without a point, so that id and timestamp cannot run into each other.
    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,128}\z", RegexOptions.None, 100)]
    private static partial Regex Id();
}
