namespace Campaigns.Tests.Support;

/// <summary>The checkout that the tests were built from.</summary>
internal static class Repository
{
    private static readonly Lazy<string?> Found = new(Find);

    /// <summary>The folder with <c>Campaigns.sln</c>.</summary>
    public static string Root => Found.Value ?? throw new InvalidOperationException("Not run from a checkout.");

    /// <summary>The folder, or null where the tests were taken out of it.</summary>
    public static string? RootOrNull => Found.Value;

    private static string? Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Campaigns.sln")))
            {
                return folder.FullName;
            }
        }

        return null;
    }
}
