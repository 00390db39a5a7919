namespace Campaigns.Embedded;

/// <summary>What of the machine decides where PostgreSQL's programs come from.</summary>
/// <param name="PgBin">A directory of binaries that the user names; wins over all else.</param>
/// <param name="SearchPath">As in PATH; holds npm and apt-get too.</param>
/// <param name="DistributionFolders">Patterns of folders, a star standing for a version.</param>
/// <param name="Cache">Where npm's package is put; asked for only then.</param>
/// <param name="MayInstall">Whether apt-get would be allowed to: the program runs as root.</param>
internal sealed record Machine(
    string? PgBin,
    string? SearchPath,
    IReadOnlyList<string> DistributionFolders,
    Func<string> Cache,
    bool MayInstall
)
{
    public static Machine Current =>
        new(
            Environment.GetEnvironmentVariable("PG_BIN"),
            Environment.GetEnvironmentVariable("PATH"),
            [
                "/usr/lib/postgresql/*/bin",
                "/usr/lib/postgresql*/bin",
                "/usr/pgsql-*/bin",
                "/opt/homebrew/opt/postgresql@*/bin",
                "/usr/local/opt/postgresql@*/bin",
                "/usr/local/pgsql/bin",
                "/Library/PostgreSQL/*/bin",
            ],
            () => UserDirectory.Writable(UserDirectory.CacheCandidates()),
            Environment.IsPrivilegedProcess
        );
}
