using System.Diagnostics;

namespace Campaigns.Faults.Running;

/// <summary>A disk in memory, which can be filled up. Only root may mount one.</summary>
internal sealed class SmallDisk : IDisposable
{
    private const int Megabytes = 1_500;
    private const int Block = 1 << 20;
    private readonly string _ballast;

    private SmallDisk(string folder) => (Folder, _ballast) = (folder, Path.Combine(folder, "ballast"));

    public string Folder { get; }

    /// <summary>Null where this account, or this system, cannot.</summary>
    public static SmallDisk? TryMount()
    {
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root")
        {
            return null;
        }

        var folder = Directory.CreateTempSubdirectory("campaigns-small-disk-").FullName;
        if (Run("mount", "-t", "tmpfs", "-o", $"size={Megabytes}m,mode=755", "tmpfs", folder))
        {
            return new SmallDisk(folder);
        }

        Directory.Delete(folder);
        return null;
    }

    /// <summary>Leaves no room but so many megabytes.</summary>
    public void Fill(int left)
    {
        var free = new DriveInfo(Folder).AvailableFreeSpace - ((long)left * Block);
        using var file = new FileStream(_ballast, FileMode.Append, FileAccess.Write, FileShare.None, bufferSize: 0);
        var block = new byte[Block];
        try
        {
            for (; free >= Block; free -= Block)
            {
                file.Write(block);
            }
        }
        catch (IOException)
        {
            // PostgreSQL writes too: there is no room any more.
        }
    }

    /// <summary>Makes room again.</summary>
    public void Free() => File.Delete(_ballast);

    public void Dispose()
    {
        Run("umount", "-l", Folder);
        Directory.Delete(Folder);
    }

    private static bool Run(string program, params string[] arguments)
    {
        try
        {
            var info = new ProcessStartInfo(program, arguments)
            {
                UseShellExecute = false,
                RedirectStandardError = true,
            };
            using var process = Process.Start(info)!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
