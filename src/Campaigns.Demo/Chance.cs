namespace Campaigns.Demo;

/// <summary>Chance that is the same on every machine: a pure function of who and what for.</summary>
internal static class Chance
{
    /// <summary>In [0, 1).</summary>
    public static double Of(long who, string purpose) => (Mix(who, purpose) >> 11) * (1.0 / (1UL << 53));

    /// <inheritdoc cref="Of(long, string)"/>
    public static double Of(string who, string purpose) => Of((long)Hash(who), purpose);

    /// <summary>From 0 to <paramref name="count"/>, excluded.</summary>
    public static int Below(int count, long who, string purpose) => (int)(Of(who, purpose) * count);

    public static T Pick<T>(IReadOnlyList<T> from, long who, string purpose) => from[Below(from.Count, who, purpose)];

    // The finaliser of SplitMix64.
    private static ulong Mix(long who, string purpose)
    {
        var x = (ulong)who * 0x9E3779B97F4A7C15UL ^ Hash(purpose);
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9UL;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBUL;
        return x ^ (x >> 31);
    }

    // FNV-1a.
    private static ulong Hash(string text)
    {
        var hash = 14695981039346656037UL;
        foreach (var letter in text)
        {
            hash = (hash ^ letter) * 1099511628211UL;
        }

        return hash;
    }
}
