namespace Counterexample.Customers
{
    public sealed record Person(string Id);

    public sealed record HoldsInAField(Segments.Rule Rule);

    public static class AsksInCode
    {
        public static string Today() => new[] { 1 }.Select(n => Reports.Figure.Text(n)).First();
    }
}

namespace Counterexample.Segments
{
    public sealed record Rule(Customers.Person AllowedAsItIsLeftward);
}

namespace Counterexample.Planning
{
    public static class ReturnsFromAsync
    {
        public static async Task<int> CountAsync()
        {
            var lanes = new List<Dispatch.Lane>();
            await Task.Yield();
            return lanes.Count;
        }
    }
}

namespace Counterexample.Dispatch
{
    public readonly record struct Lane(int Number);
}

namespace Counterexample.Reports
{
    public static class Figure
    {
        public static string Text(int n) => $"{n}";
    }
}

namespace Counterexample.Channels
{
    public static class KnowsACustomer
    {
        public static bool Is(object o) => o is Customers.Person;
    }
}
