namespace Campaigns.Planning;

/// <summary>The last part of the planning statement: who of those who passed everything is held out, and which variant the
/// others get; in SQL what <see cref="Assignment"/> is in C#.</summary>
internal static class ArmSql
{
    private const string Columns = "customer_key, waves, channel, early";

    /// <summary>The columns that <see cref="Decisions"/> takes.</summary>
    public const string Needed = Columns + ", key_hash";

    // Whoever got past the window gate has a channel and a window, held out or suppressed later as well.
    private static readonly string PastWindow = $"reason = 0 OR reason > {(int)Reason.NoWindow}";

    /// <param name="decided">Rows of <see cref="Needed"/>.</param>
    public static string Decisions(RunPlan plan, string decided)
    {
        var arms = Arms(plan).ToList();
        var heldOut = string.Concat(
            arms.Where(arm => arm.HeldOut is not null)
                .Select(arm => $"WHEN {arm.Bucket} < {arm.Buckets} THEN {(int)arm.HeldOut!} ")
        );
        return $"""
            SELECT customer_key, @run AS run_key,
                CASE WHEN {PastWindow} THEN waves[channel] END AS wave,
                1::smallint AS step, reason::smallint AS reason,
                CASE WHEN {PastWindow} THEN channel END AS channel,
                (CASE WHEN reason = 0 THEN {VariantNumber(plan)} END)::smallint AS variant
            FROM (
                SELECT *, CASE WHEN early <> 0 THEN early {heldOut}ELSE 0 END AS reason
                FROM ({(arms.Count == 0 ? decided : Hashed(arms, decided))}) s
                OFFSET 0
            ) s
            """;
    }

    private sealed record Arm(string Bucket, string Salt, string Buckets, Reason? HeldOut);

    private static IEnumerable<Arm> Arms(RunPlan plan)
    {
        if (plan.GlobalHoldout is not null)
        {
            yield return new("global_bucket", "@global_salt", "@global_buckets", Reason.HeldOutGlobal);
        }

        if (plan.HoldoutBuckets > 0)
        {
            yield return new("holdout_bucket", "@holdout_salt", "@holdout_buckets", Reason.HeldOut);
        }

        if (plan.Variants.Count > 1)
        {
            yield return new("variant_bucket", "@variant_salt", "", null);
        }
    }

    // Only those who passed everything are hashed: null costs next to nothing in the rounds of the others.
    private static string Hashed(List<Arm> arms, string decided)
    {
        var keyed = $"(SELECT {Columns}, CASE WHEN early = 0 THEN key_hash END AS arm_hash FROM ({decided}) s)";
        return Assignment.BucketsSql(keyed, "arm_hash", [.. arms.Select(arm => (arm.Bucket, arm.Salt))]);
    }

    private static string VariantNumber(RunPlan plan)
    {
        var last = plan.Variants[^1].Number;
        var others = plan.Variants.SkipLast(1).Select(v => $"WHEN variant_bucket < {v.UpTo} THEN {v.Number}");
        return plan.Variants.Count == 1 ? $"{last}" : $"CASE {string.Join(' ', others)} ELSE {last} END";
    }
}
