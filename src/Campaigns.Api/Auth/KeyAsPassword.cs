using System.Text;

namespace Campaigns.Api.Auth;

/// <summary>Marks pages for which a browser asks its user for a key: any name, and the key as the password.</summary>
internal sealed class KeyAsPassword
{
    public const string Challenge = "Basic realm=\"campaigns\", charset=\"UTF-8\"";
    public static readonly KeyAsPassword Instance = new();

    private const string Basic = "Basic ";

    /// <summary>What the browser sends, as if the key had been sent as such; null when it is something else.</summary>
    public static string? Read(string? header)
    {
        if (header is null || !header.StartsWith(Basic, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var pair = new byte[header.Length];
        return Convert.TryFromBase64String(header[Basic.Length..], pair, out var length)
            ? "Bearer " + Encoding.UTF8.GetString(pair, 0, length).Split(':', 2)[^1]
            : null;
    }
}
