using System.Security.Cryptography;
using System.Text;

namespace Campaigns.Channels.Aliyun;

/// <summary>Signature version 1 of Aliyun's RPC calls.</summary>
internal static class AliyunSignature
{
    /// <summary>Base64 of HMAC-SHA1 over method and sorted parameters, without <c>Signature</c> itself.</summary>
    internal static string Of(string method, IEnumerable<KeyValuePair<string, string>> parameters, string secret)
    {
        var sorted = parameters
            .OrderBy(parameter => parameter.Key, StringComparer.Ordinal)
            .Select(parameter => $"{Encode(parameter.Key)}={Encode(parameter.Value)}");
        var text = $"{method}&%2F&{Encode(string.Join('&', sorted))}";
#pragma warning disable CA5350 // the provider's choice
        var hash = HMACSHA1.HashData(Encoding.UTF8.GetBytes(secret + "&"), Encoding.UTF8.GetBytes(text));
#pragma warning restore CA5350
        return Convert.ToBase64String(hash);
    }

    /// <summary>RFC 3986, as this method of .NET has it.</summary>
    private static string Encode(string text) => Uri.EscapeDataString(text);
}
