using System.Diagnostics;
using System.Reflection;

namespace Campaigns.Tests.Support;

/// <summary>
/// A process of its own that runs one static method of this assembly, so that a test can kill it. What it writes to
/// the console comes back line by line.
/// </summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;

    private ChildProcess(Process process) => _process = process;

    /// <param name="work">A static method; the arguments come to it as they are.</param>
    /// <param name="arguments">Of the method.</param>
    /// <param name="user">Whom to run as, where this process is root; null for the same user.</param>
    public static ChildProcess Start(Func<string[], Task> work, string[] arguments, string? user = null)
    {
        var method = work.Method;
        string[] run =
        [
            Environment.ProcessPath is { } path && Path.GetFileName(path) == "dotnet" ? path : "dotnet",
            typeof(ChildProcess).Assembly.Location,
            method.DeclaringType!.FullName!,
            method.Name,
            .. arguments,
        ];
        string[] line = user is null
            ? run
            : ["setpriv", $"--reuid={user}", $"--regid={user}", "--init-groups", "--reset-env", "--", .. run];
        var info = new ProcessStartInfo(line[0], line[1..])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
            WorkingDirectory = "/",
        };
        return new ChildProcess(Process.Start(info)!);
    }

    public async Task<string> ReadLineAsync() =>
        await _process.StandardOutput.ReadLineAsync().WaitAsync(Patience)
        ?? throw new InvalidOperationException("The child process ended without a word.");

    /// <summary>As <c>kill -9</c> does.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Closes its input, which <see cref="UntilToldToEnd"/> waits for, and waits until it has ended.</summary>
    public async Task EndAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync().WaitAsync(Patience);
    }

    /// <summary>For the method in the child: returns when the parent wants it to end, or is gone.</summary>
    public static Task UntilToldToEnd() => Console.In.ReadToEndAsync();

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            await KillAsync();
        }

        _process.Dispose();
    }

    /// <summary>The entry point of this assembly: type, method, arguments.</summary>
    private static Task Main(string[] args)
    {
        var method = typeof(ChildProcess)
            .Assembly.GetType(args[0], throwOnError: true)!
            .GetMethod(args[1], BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public)!;
        return method.CreateDelegate<Func<string[], Task>>()(args[2..]);
    }
}
