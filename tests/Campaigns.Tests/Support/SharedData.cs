namespace Campaigns.Tests.Support;

/// <summary>The team's folder of real data and vectors, which lies beside the repository where it is present.</summary>
public static class SharedData
{
    private static readonly Lazy<string?> Folder = new(Find);

    public static bool IsPresent => Folder.Value is not null;

    /// <summary>Full path of a file of the folder, such as <c>data/bank-full.csv.gz</c>.</summary>
    public static string Path(string relative) =>
        System.IO.Path.Combine(
            Folder.Value ?? throw new InvalidOperationException(SharedDataFactAttribute.Absent),
            relative
        );

    private static string? Find()
    {
        var named = Environment.GetEnvironmentVariable("CAMPAIGNS_SHARED");
        if (!string.IsNullOrWhiteSpace(named))
        {
            return Directory.Exists(named) ? named : null;
        }

        if (Repository.RootOrNull is not { } root)
        {
            return null;
        }

        var shared = System.IO.Path.GetFullPath(System.IO.Path.Combine(root, "..", "shared"));
        return Directory.Exists(shared) ? shared : null;
    }
}

/// <summary>A fact that needs the team's shared data, and is skipped where that is absent.</summary>
public sealed class SharedDataFactAttribute : FactAttribute
{
    internal const string Absent =
        "The team's shared data is absent: put it in a folder `shared` beside the repository, or name it in CAMPAIGNS_SHARED.";

    public SharedDataFactAttribute() => Skip = SharedData.IsPresent ? null : Absent;
}

/// <summary>A theory that needs the team's shared data, and is skipped where that is absent.</summary>
public sealed class SharedDataTheoryAttribute : TheoryAttribute
{
    public SharedDataTheoryAttribute() => Skip = SharedData.IsPresent ? null : SharedDataFactAttribute.Absent;
}
