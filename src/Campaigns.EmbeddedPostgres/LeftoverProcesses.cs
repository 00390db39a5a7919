using System.Diagnostics;
using System.Globalization;

namespace Campaigns.Embedded;

/// <summary>
/// What a host that was killed may have left: a postmaster still stopping (or, without setpriv, still serving), its
/// backends, and a postmaster.pid whose number may belong to someone else by now.
/// </summary>
internal static class LeftoverProcesses
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>Returns when none runs on the cluster any more. The caller holds the directory's lock.</summary>
    public static async Task StopAsync(string cluster, Action<string>? log, CancellationToken cancellationToken)
    {
        var pidFile = Path.Combine(cluster, "postmaster.pid");
        if (!File.Exists(pidFile))
        {
            return;
        }

        var postmaster = FirstLine(pidFile);
        var left = Processes(cluster, postmaster);
        if (left.Count > 0)
        {
            log?.Invoke($"stopping the PostgreSQL that an earlier program left on {cluster}");
            await EndAsync(cluster, postmaster, left, cancellationToken);
        }

        // PostgreSQL takes any live process of that number for a postmaster of its own.
        File.Delete(pidFile);
    }

    private static async Task EndAsync(
        string cluster,
        int postmaster,
        List<int> left,
        CancellationToken cancellationToken
    )
    {
        var since = Stopwatch.StartNew();
        var signal = left.Contains(postmaster) ? Native.SigInt : Native.SigQuit;
        while (left.Count > 0)
        {
            foreach (var pid in signal == Native.SigInt ? [postmaster] : left)
            {
                Native.Signal(pid, signal);
            }

            if (since.Elapsed > Patience)
            {
                if (signal == Native.SigKill)
                {
                    throw new EmbeddedPostgresException(
                        $"A PostgreSQL that an earlier program left on {cluster} does not stop (process {left[0]}): end it first."
                    );
                }

                signal = Native.SigKill;
                since.Restart();
            }

            await Task.Delay(20, cancellationToken);
            left = Processes(cluster, postmaster);
            if (left.Count > 0 && signal == Native.SigInt && !left.Contains(postmaster))
            {
                signal = Native.SigQuit;
            }
        }
    }

    private static int FirstLine(string pidFile) =>
        int.TryParse(File.ReadLines(pidFile).FirstOrDefault(), CultureInfo.InvariantCulture, out var pid) ? pid : 0;

    private static List<int> Processes(string cluster, int postmaster)
    {
        if (!Directory.Exists("/proc/self"))
        {
            return IsPostgresByName(postmaster) ? [postmaster] : [];
        }

        return
        [
            .. Directory
                .EnumerateDirectories("/proc")
                .Where(d => IsPostgresOn(d, cluster))
                .Select(d => int.Parse(Path.GetFileName(d), CultureInfo.InvariantCulture)),
        ];
    }

    // A backend's comm is the program's too, its title is elsewhere.
    private static bool IsPostgresOn(string process, string cluster)
    {
        if (!char.IsAsciiDigit(Path.GetFileName(process)[0]))
        {
            return false;
        }

        try
        {
            return File.ReadAllText(Path.Combine(process, "comm")).StartsWith("postgres", StringComparison.Ordinal)
                && new DirectoryInfo(Path.Combine(process, "cwd")).LinkTarget == cluster;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool IsPostgresByName(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            return process.ProcessName.StartsWith("postgres", StringComparison.Ordinal);
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
