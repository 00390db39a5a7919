using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Campaigns.Faults.Running;

/// <summary>What one process may do to another.</summary>
internal static partial class Signals
{
    public const int Quit = 3;
    public const int Kill = 9;
    public const int Terminate = 15;

    // Not the same numbers on every system.
    public static readonly int Continue = OperatingSystem.IsMacOS() ? 19 : 18;
    public static readonly int Stop = OperatingSystem.IsMacOS() ? 17 : 19;

    public static void Send(int processId, int signal)
    {
        if (KillCore(processId, signal) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>Lets the process run before others that are ready, where the system allows it.</summary>
    /// <returns>Whether it does; only Linux is asked.</returns>
    public static bool Prefer(int processId)
    {
        const int Preferred = -10;
        const int Ended = 3; // ESRCH
        var threads = new DirectoryInfo($"/proc/{processId}/task"); // each has its own; those to come have their maker's
        var allowed = threads.Exists;
        foreach (var thread in allowed ? threads.EnumerateDirectories() : [])
        {
            var id = int.Parse(thread.Name, CultureInfo.InvariantCulture);
            allowed &= SetPriorityCore(0, id, Preferred) == 0 || Marshal.GetLastPInvokeError() == Ended;
        }

        return allowed;
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int KillCore(int processId, int signal);

    [LibraryImport("libc", EntryPoint = "setpriority", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetPriorityCore(int which, int who, int priority);
}
