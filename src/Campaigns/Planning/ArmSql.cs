namespace Campaigns.Planning;

/// <summary>The last part of the planning statement: who of those who passed everything is held out, and which variant the
/// others get; in SQL what <see cref="Assignment"/> is in C#.</summary>
internal static class ArmSql
{
    // Whoever got past the window gate has a channel and a window, held out or suppressed later as well.
    private static readonly string PastWindow = $"reason = 0 OR reason > {(int)Reason.NoWindow}";

    /// <param name="gated">Rows of customer_key, key_hash, kind, channel, and what the gates read.</param>
    /// <param name="gates">The gates as branches of a CASE: the reason of whoever fails one.</param>
    public static string Decisions(RunPlan plan, string gated, string gates)
    {
        var wave = CalendarTable.Of("waves", "kind", "channel");
        var (segments, heldOut) = (DecisionSql.Segments(plan), HeldOut(plan));
        return $"""
            SELECT customer_key, @run AS run_key,
                CASE WHEN {PastWindow} THEN {wave} END AS wave,
                1::smallint AS step, reason::smallint AS reason,
                CASE WHEN {PastWindow} THEN channel END AS channel,
                (CASE WHEN reason = 0 THEN {VariantNumber(plan)} END)::smallint AS variant{segments}
            FROM (
                SELECT customer_key, key_hash, kind, channel{segments}, CASE {gates} {heldOut}ELSE 0 END AS reason
                FROM ({gated}) s
                OFFSET 0
            ) s
            """;
    }

    private static string HeldOut(RunPlan plan)
    {
        var global = plan.GlobalHoldout is null
            ? ""
            : $"WHEN {Assignment.BucketSql("key_hash", "@global_salt")} < @global_buckets THEN {(int)Reason.HeldOutGlobal} ";
        return plan.HoldoutBuckets == 0
            ? global
            : $"{global}WHEN {Assignment.BucketSql("key_hash", "@holdout_salt")} < @holdout_buckets THEN {(int)Reason.HeldOut} ";
    }

    private static string VariantNumber(RunPlan plan) =>
        plan.Variants.Count == 1
            ? $"{plan.Variants[0].Number}"
            : $"(@variants::smallint[])[1 + width_bucket({Assignment.BucketSql("key_hash", "@variant_salt")}, @variant_bounds)]";
}
