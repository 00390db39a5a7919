using System.ComponentModel;
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

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int KillCore(int processId, int signal);
}
