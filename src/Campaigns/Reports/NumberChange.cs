namespace Campaigns.Reports;

/// <summary>How the number that the goal names changed, from before anything was sent to the end of each customer's window:
/// everyone of both arms, delivered or not. Whoever has no number counts with 0; those whose sensitive data must not be
/// looked at are in neither arm.</summary>
public sealed record NumberChange
{
    /// <summary>As in the field catalogue.</summary>
    public required string Field { get; init; }
    public required ChangeArm Treated { get; init; }
    public required ChangeArm Control { get; init; }

    /// <summary>Customers of both arms whose window has not ended yet: they are in neither.</summary>
    public required long Waiting { get; init; }

    /// <summary>When the last that are in it were looked up.</summary>
    public DateTimeOffset? MeasuredAt { get; init; }

    /// <summary>Change per customer, treated less control (Welch).</summary>
    public required Measured Change { get; init; }
    public required PValue ChangePValue { get; init; }

    /// <summary>The same less what the number before foretells of it (CUPED): narrower, and of the same effect.</summary>
    public required Measured Cuped { get; init; }
    public required PValue CupedPValue { get; init; }

    /// <summary>Null where the goal names none of them.</summary>
    public NumberNotCausal? NotCausal { get; init; }

    /// <summary>Each variant against the same control arm.</summary>
    public required IReadOnlyList<VariantChange> ByVariant { get; init; }
}

/// <summary>Those of an arm who were looked up twice.</summary>
/// <param name="LookedUp">Customers.</param>
/// <param name="WithoutValue">Without a number at one of the two times.</param>
/// <param name="MeanBefore">Null with nobody in the arm.</param>
/// <param name="MeanChange">Null with nobody in the arm.</param>
public sealed record ChangeArm(long LookedUp, long WithoutValue, double? MeanBefore = null, double? MeanChange = null);

/// <summary>Comparisons of a number that prove nothing. Only the difference of the arms says what came of the
/// campaign.</summary>
/// <param name="LastYear">The change beside that of the same period last year.</param>
public sealed record NumberNotCausal(LastYearChange LastYear);

/// <summary>How the number changed in the same period last year, of the customers above. It describes, and proves nothing:
/// nobody had been assigned to an arm then, and those without both of last year's numbers are left out.</summary>
/// <param name="Before">The field that holds it, as in the field catalogue; both were looked up before anything was
/// sent.</param>
/// <param name="After">The same at the period's end.</param>
public sealed record LastYearChange(string Before, string After, LastYearArm Treated, LastYearArm Control);

/// <summary>Those of an arm who were looked up twice and have both of last year's numbers.</summary>
/// <param name="WithLastYear">Customers.</param>
/// <param name="MeanChangeLastYear">Per such customer; null where there is none.</param>
public sealed record LastYearArm(long WithLastYear, double? MeanChangeLastYear = null);

/// <summary>A variant against the control arm.</summary>
/// <param name="AdjustedPValue">Of the CUPED difference, by Holm over the variants.</param>
public sealed record VariantChange(
    string Variant,
    ChangeArm Treated,
    Measured Change,
    Measured Cuped,
    PValue CupedPValue,
    PValue AdjustedPValue
);
