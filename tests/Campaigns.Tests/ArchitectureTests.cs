using System.Reflection;
using Campaigns.Tests.Support;

namespace Campaigns.Tests;

/// <summary>The shape of the product, read from what its compiled types use of each other.</summary>
public sealed class ArchitectureTests
{
    /// <summary>A module imports those to its left.</summary>
    private static readonly string[] LeftToRight =
    [
        "Customers",
        "Segments",
        "Lifecycle",
        "Planning",
        "Dispatch",
        "Receipts",
        "Outcomes",
        "Reports",
    ];

    /// <summary>Of use to every module, and knowing none of them.</summary>
    private static readonly string[] UsableByAll =
    [
        "Access",
        "Audit",
        "Calendar",
        "Channels",
        "Database",
        "Jobs",
        "Json",
        "Operations",
        "Results",
        "Statistics",
    ];

    private static readonly string[] NotForTheCore = ["Microsoft.AspNetCore", "Swashbuckle", "Quartz", "Hangfire"];

    private static readonly Assembly Core = typeof(Results.Error).Assembly;

    [Fact]
    public void Modules_import_leftward_only() => Assert.Empty(RightwardImports(Core, "Campaigns"));

    [Fact]
    public void Every_folder_of_the_core_has_its_place_in_the_order()
    {
        var modules = Core.GetTypes().Select(t => Module(t, "Campaigns")).OfType<string>().Distinct();

        Assert.Empty(modules.Except([.. LeftToRight, .. UsableByAll]));
    }

    [Fact]
    public void The_core_knows_nothing_of_HTTP_endpoints_or_of_a_job_engine() =>
        Assert.Empty(Forbidden(Core.GetReferencedAssemblies().Select(a => a.Name!)));

    [Fact]
    public void A_rightward_import_is_found_wherever_it_hides()
    {
        var found = RightwardImports(typeof(ArchitectureTests).Assembly, "Counterexample");

        Assert.Equal(
            [
                "Channels.KnowsACustomer -> Customers.Person",
                "Customers.AsksInCode -> Reports.Figure",
                "Customers.HoldsInAField -> Segments.Rule",
                "Planning.ReturnsFromAsync -> Dispatch.Lane",
            ],
            found
        );
        Assert.Equal(["Quartz.Core"], Forbidden(["System.Runtime", "Npgsql", "Quartz.Core"]));
    }

    private static IEnumerable<string> RightwardImports(Assembly assembly, string root) =>
        (
            from reference in TypeReferences.In(assembly)
            let user = Module(reference.From, root)
            let used = Module(reference.To, root)
            where user is not null && used is not null && user != used && !MayImport(user, used)
            select $"{user}.{Outermost(reference.From).Name} -> {used}.{Outermost(reference.To).Name}"
        )
            .Distinct()
            .Order(StringComparer.Ordinal);

    private static bool MayImport(string user, string used)
    {
        var target = Array.IndexOf(LeftToRight, used);
        return target < 0 || target < Array.IndexOf(LeftToRight, user);
    }

    private static IEnumerable<string> Forbidden(IEnumerable<string> assemblies) =>
        assemblies.Where(name => NotForTheCore.Any(f => name.StartsWith(f, StringComparison.Ordinal)));

    /// <summary>Null for what composes the modules, in the root namespace itself, and for the compiler's own types.</summary>
    private static string? Module(Type type, string root) =>
        type.Namespace?.Split('.') is [var first, var module, ..] && first == root ? module : null;

    private static Type Outermost(Type type) => type.DeclaringType is { } outer ? Outermost(outer) : type;
}
