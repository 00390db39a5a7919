using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Campaigns.Planning;

/// <summary>The arm of a customer as a pure function of a salt and the customer's key, the same in C# and in SQL, so
/// that an assignment can be replayed and explained. Every holdout, every choice of variant and every campaign has a
/// salt of its own: that is what makes them independent.</summary>
public static class Assignment
{
    /// <summary>Buckets are 0 to 9,999.</summary>
    public const int Buckets = 10_000;

    /// <summary>The salt of a campaign's holdout.</summary>
    public static string HoldoutSalt(string campaignId) => campaignId + ":holdout";

    /// <summary>The salt of a campaign's variants.</summary>
    public static string VariantSalt(string campaignId) => campaignId + ":variant";

    /// <summary>The first four bytes, big-endian, of SHA-256 of the salt's UTF-8.</summary>
    public static uint Salt32(string salt) =>
        BinaryPrimitives.ReadUInt32BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(salt)));

    /// <summary>The bucket of a customer: 0 to 9,999, uniform over keys.</summary>
    public static int Bucket(long customerKey, uint salt32)
    {
        var folded = (uint)customerKey ^ (uint)(customerKey >> 32);
        return (int)(Mix32(Mix32(folded) ^ salt32) % Buckets);
    }

    /// <summary>How many buckets, from 0, are held out at a share of 0 to 1: bucket &lt; 10,000 · share.</summary>
    public static int HoldoutBuckets(decimal share) => (int)Math.Ceiling(Buckets * share);

    /// <summary>The first bucket behind each variant, by cumulative weight in declared order; the last is 10,000. A
    /// customer has the first variant whose bound is above the customer's bucket.</summary>
    /// <exception cref="ArgumentException">The weights are none, negative, or sum to 0.</exception>
    public static int[] VariantBounds(IReadOnlyList<int> weights)
    {
        var total = weights.Sum(w => (long)w);
        if (total <= 0 || weights.Any(w => w < 0))
            throw new ArgumentException("Weights are positive, and at least one.", nameof(weights));
        var bounds = new int[weights.Count];
        long sum = 0;
        for (var i = 0; i < bounds.Length; i++)
        {
            sum += weights[i];
            bounds[i] = (int)Math.Ceiling(Buckets * (decimal)sum / total);
        }
        return bounds;
    }

    /// <summary>SQL of a customer's bucket. The half that no salt changes is <c>contact.key_hash</c>; in the other each
    /// value is used twice by the next round, and written out: a sub-select that computes it once costs every row more.
    /// </summary>
    /// <param name="keyHash">The column with <c>key_hash</c>.</param>
    /// <param name="salt">The parameter with the value of <see cref="Salt32"/>.</param>
    public static string BucketSql(string keyHash, string salt) =>
        $"({Xor(Round(Round($"({keyHash} # ({salt})::bigint)")))} % {Buckets})::integer";

    private static uint Mix32(uint x)
    {
        x = ((x >> 16) ^ x) * 73244475;
        x = ((x >> 16) ^ x) * 73244475;
        return (x >> 16) ^ x;
    }

    private static string Round(string x) => $"({Xor(x)} * 73244475 & 4294967295)";

    private static string Xor(string x) => $"(({x} >> 16) # {x})";
}
