using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Campaigns.Audit;

/// <summary>One change, as it was recorded.</summary>
public sealed record AuditEntry
{
    /// <summary>Grows; with gaps where a change was rolled back.</summary>
    public required long Seq { get; init; }

    /// <summary>Business time.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Id of the key that was used, or <c>service</c>.</summary>
    public required string Actor { get; init; }

    /// <summary>A verb in the past, such as <c>approved</c>.</summary>
    public required string Action { get; init; }

    /// <summary>Such as <c>campaign</c>.</summary>
    public required string SubjectKind { get; init; }
    public required string SubjectId { get; init; }

    /// <summary>Ids and counts; never an address.</summary>
    public required JsonElement Detail { get; init; }

    /// <summary>Its place in the chain, 1 for the first; null for the moment until it has one.</summary>
    public long? Position { get; init; }

    /// <summary>Of the chain up to and with this entry, in hexadecimal; null likewise.</summary>
    public string? Hash { get; init; }
}

/// <summary>What a walk along the whole chain found.</summary>
public sealed record AuditVerification
{
    /// <summary>Whether every entry is as it was recorded, in its place, and none is missing.</summary>
    public required bool Intact { get; init; }

    /// <summary>Entries in the chain.</summary>
    public required long Length { get; init; }

    /// <summary>Hash of the whole chain, in hexadecimal; null where it is empty. Keep it elsewhere: a chain that was made
    /// anew has another.</summary>
    public string? Head { get; init; }

    /// <summary>Recorded, and not in the chain yet.</summary>
    public required long Waiting { get; init; }

    /// <summary>The first places that are not as they were, at most 100.</summary>
    public required IReadOnlyList<AuditFault> Faults { get; init; }
}

/// <summary>A place in the chain that is not as it was.</summary>
/// <param name="Detail"><c>changed</c>, <c>missing</c> or <c>not in the chain</c>.</param>
public sealed record AuditFault(long Position, long Seq, string Detail);

/// <summary>An entry as stored.</summary>
internal sealed class AuditRow
{
    public long Seq { get; init; }
    public DateTimeOffset At { get; init; }
    public string Actor { get; init; } = "";
    public string Action { get; init; } = "";
    public string SubjectKind { get; init; } = "";
    public string SubjectId { get; init; } = "";
    public string Detail { get; init; } = "{}";
    public long? Position { get; init; }
    public byte[]? Hash { get; init; }

    /// <summary>The hash of the chain that ends with this entry.</summary>
    /// <param name="before">Of the chain before it; empty for none.</param>
    public byte[] HashAfter(byte[] before)
    {
        string[] parts =
        [
            Seq.ToString(CultureInfo.InvariantCulture),
            At.UtcDateTime.ToString("O", CultureInfo.InvariantCulture),
            Actor,
            Action,
            SubjectKind,
            SubjectId,
            Detail,
        ];
        return SHA256.HashData([.. before, .. Encoding.UTF8.GetBytes(JsonSerializer.Serialize(parts))]);
    }

    public AuditEntry ToEntry()
    {
        using var detail = JsonDocument.Parse(Detail);
        return new AuditEntry
        {
            Seq = Seq,
            At = At,
            Actor = Actor,
            Action = Action,
            SubjectKind = SubjectKind,
            SubjectId = SubjectId,
            Detail = detail.RootElement.Clone(),
            Position = Position,
            Hash = Hash is null ? null : Convert.ToHexStringLower(Hash),
        };
    }
}
