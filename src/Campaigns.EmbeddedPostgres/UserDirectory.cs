namespace Campaigns.Embedded;

/// <summary>Places for files that outlive the program, that PostgreSQL's account can reach.</summary>
internal static class UserDirectory
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Others may pass through, and see nothing.</summary>
    private const UnixFileMode Passage = OwnerOnly | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    public static IEnumerable<string> DataCandidates() =>
        Environment.IsPrivilegedProcess
            ? ["/var/lib/campaigns", "/run/campaigns"]
            : [.. Home("XDG_DATA_HOME", ".local/share"), $"/var/tmp/campaigns-{Native.EffectiveUserId()}"];

    public static IEnumerable<string> CacheCandidates() =>
        Environment.IsPrivilegedProcess
            ? ["/var/cache/campaigns", "/run/campaigns"]
            : [.. Home("XDG_CACHE_HOME", ".cache"), $"/var/tmp/campaigns-{Native.EffectiveUserId()}"];

    /// <summary>The first candidate that is, or can be made, a directory of this user's own.</summary>
    public static string Writable(IEnumerable<string> candidates)
    {
        var all = candidates.ToList();
        return all.FirstOrDefault(IsWritable)
            ?? throw new EmbeddedPostgresException(
                $"No place to keep PostgreSQL's files: cannot write to {string.Join(" or ", all)}."
            );
    }

    /// <summary>Makes the directory and what is missing above it.</summary>
    /// <param name="path">Absolute.</param>
    /// <param name="passage">Lets the account of PostgreSQL, when it is another, pass through.</param>
    public static void Create(string path, bool passage)
    {
        if (Directory.Exists(path))
        {
            return;
        }

        if (Path.GetDirectoryName(path) is { } parent)
        {
            Create(parent, passage);
        }

        Directory.CreateDirectory(path);
        File.SetUnixFileMode(path, passage ? Passage : OwnerOnly);
    }

    private static bool IsWritable(string path)
    {
        try
        {
            Create(path, Environment.IsPrivilegedProcess);
            var probe = Path.Combine(path, $".probe-{Guid.NewGuid():n}");
            File.Create(probe, 1, FileOptions.DeleteOnClose).Dispose();
            // Another user may have made the name in a directory open to all; only the owner may set the mode.
            File.SetUnixFileMode(path, File.GetUnixFileMode(path));
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static IEnumerable<string> Home(string variable, string relative)
    {
        if (Environment.GetEnvironmentVariable(variable) is { } set && Path.IsPathRooted(set))
        {
            yield return Path.Combine(set, "campaigns");
        }

        if (Environment.GetEnvironmentVariable("HOME") is { } home && Path.IsPathRooted(home))
        {
            yield return Path.Combine(home, relative, "campaigns");
        }
    }
}
