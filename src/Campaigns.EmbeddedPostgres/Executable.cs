namespace Campaigns.Embedded;

internal static class Executable
{
    public static string? InPath(string name) => InPath(name, Environment.GetEnvironmentVariable("PATH"));

    public static string? InPath(string name, string? path) =>
        (path ?? "")
            .Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Where(Path.IsPathRooted)
            .Select(d => Path.Combine(d, name))
            .FirstOrDefault(File.Exists);
}
