using System.Security.Cryptography;
using System.Text.Json;

namespace Campaigns.Customers;

/// <summary>For the audit log: what a batch said, without saying it.</summary>
internal static class Digests
{
    public static string Of<T>(IReadOnlyList<T> batch) =>
        Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(batch)));
}
