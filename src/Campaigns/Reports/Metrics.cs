namespace Campaigns.Reports;

/// <summary>A metric of reports.</summary>
/// <param name="Name">As in every report.</param>
/// <param name="Unit"><c>customers</c>, <c>times</c>, <c>rate</c>, <c>value</c> or <c>probability</c>.</param>
public sealed record Metric(string Name, string Unit, string Definition);

/// <summary>The one catalogue of metrics: two numbers of one name are counted by one rule.</summary>
public static class Metrics
{
    public static readonly IReadOnlyList<Metric> All =
    [
        new(
            "audience",
            "customers",
            "Members of the campaign's segments at the run's instant, the excluded among them."
        ),
        new("planned", "customers", "Customers for whom planning decided a touch: the treated arm."),
        new(
            "attempted",
            "customers",
            "Customers for whom at least one request to a provider was about to be sent. " + "Total: attempts."
        ),
        new(
            "accepted",
            "customers",
            "Customers with an attempt that a provider took, or that was delivered. " + "Total: attempts taken."
        ),
        new("delivered", "customers", "Customers with a receipt that says delivered. Total: such receipts."),
        new("opened", "customers", "Customers who opened a message. Total: openings."),
        new("clicked", "customers", "Customers who followed a link. Total: clicks."),
        new(
            "converted",
            "customers",
            "Customers with a goal event in [start, start + window) that was not taken back; "
                + "start is the opening of the planned send window. In the funnel, of the treated arm. Total: conversions."
        ),
        new(
            "difference",
            "rate",
            "Conversion rate of everyone assigned to the treated arm less that of the control arm, "
                + "delivered or not; 95 % interval by Newcombe's method 10."
        ),
        new("relative", "rate", "Treated rate over control rate less 1; 95 % log interval by Katz."),
        new(
            "incrementalConversions",
            "customers",
            "Conversions beyond what the control arm's rate would have brought; "
                + "the interval of the difference, scaled."
        ),
        new(
            "sequence",
            "rate",
            "The difference with an interval that holds over all looks together: a normal mixture "
                + "confidence sequence, N* 5,000."
        ),
        new(
            "valuePerCustomer",
            "value",
            "Sum of conversions' amounts per assigned customer, treated less control; " + "95 % interval by Welch."
        ),
        new(
            "sampleRatio",
            "probability",
            "Chance of arms at least as far from the planned shares (chi-square); below "
                + "0.001 the report must not be trusted."
        ),
    ];
}
