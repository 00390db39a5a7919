namespace Campaigns.Statistics;

internal static class Roots
{
    /// <summary>Where an answer turns from yes to no between two bounds, to fifteen digits; the bound where it does not
    /// turn.</summary>
    public static double Bisect(double yes, double no, Func<double, bool> ask)
    {
        // Eighty halvings matter to a root at 0 alone, which has no relative precision to reach.
        for (var i = 0; i < 80 && Math.Abs(no - yes) > 1e-15 * Math.Max(Math.Abs(yes), Math.Abs(no)); i++)
        {
            var middle = yes + (no - yes) / 2;
            if (ask(middle))
                yes = middle;
            else
                no = middle;
        }
        return yes;
    }
}
