using System.Globalization;

namespace Campaigns.Dispatch;

/// <summary>A touch's own key: its name to gateways that take a key an item.</summary>
internal static class TouchKey
{
    internal static string Of(int runKey, long customerKey) => $"{runKey}-{customerKey}";

    /// <summary>Of a message of a test, which has no touch.</summary>
    internal static string OfTest(int number, long customerKey) => $"test{number}-{customerKey}";

    /// <summary>The customer of a key; null for what is none.</summary>
    internal static long? CustomerOf(string key) =>
        long.TryParse(
            key.AsSpan(key.LastIndexOf('-') + 1),
            NumberStyles.None,
            CultureInfo.InvariantCulture,
            out var customer
        )
            ? customer
            : null;

    /// <summary>SQL of the run that a row with <c>customer_key</c> and <c>touch_key</c> is of; null for a test.</summary>
    /// <param name="row">The table's alias.</param>
    internal static string RunSql(string row) =>
        $"CASE WHEN {row}.touch_key NOT LIKE 'test%' "
        + $"THEN left({row}.touch_key, -1 - length({row}.customer_key::text))::integer END";
}
