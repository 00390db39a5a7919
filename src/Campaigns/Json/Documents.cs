using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Campaigns.Json;

/// <summary>Contracts as documents in the database: jsonb keeps neither the order of members nor their spacing, so they are
/// compared and hashed in one canonical form.</summary>
internal static class Documents
{
    public static string Write<T>(T value) => JsonSerializer.Serialize(value, ProductJson.Options);

    public static T Read<T>(string json) => JsonSerializer.Deserialize<T>(json, ProductJson.Options)!;

    /// <summary>Whether both say the same.</summary>
    public static bool Same<T>(T one, T other) => Canonical(one) == Canonical(other);

    /// <summary>SHA-256 of the canonical form: members in ordinal order of their names, no spaces.</summary>
    public static byte[] Hash<T>(T value) => SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(Canonical(value)));

    private static string Canonical<T>(T value) =>
        Sorted(JsonSerializer.SerializeToNode(value, ProductJson.Options))?.ToJsonString(ProductJson.Options) ?? "null";

    private static JsonNode? Sorted(JsonNode? node) =>
        node switch
        {
            JsonObject members => new JsonObject(
                members
                    .OrderBy(member => member.Key, StringComparer.Ordinal)
                    .Select(member => KeyValuePair.Create(member.Key, Sorted(member.Value)))
            ),
            JsonArray items => new JsonArray([.. items.Select(Sorted)]),
            _ => node?.DeepClone(),
        };
}
