using System.Diagnostics;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Demo;

/// <summary>The demo as somebody starts it, by the command that the README gives.</summary>
internal static class DemoProgram
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(6);

    /// <param name="connectionString">Null for a private PostgreSQL.</param>
    public static async Task<(int ExitCode, string Output, string Error)> RunAsync(
        string? connectionString,
        params string[] arguments
    )
    {
        using var process = Start(connectionString, arguments);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"The demo did not end: {await output}{await error}");
        }

        return (process.ExitCode, await output, await error);
    }

    private static Process Start(string? connectionString, string[] arguments)
    {
        var info = new ProcessStartInfo(
            "dotnet",
            [
                "run",
                "--no-build",
                "--configuration",
                Configuration,
                "--project",
                "src/Campaigns.Demo",
                "--",
                .. arguments,
            ]
        )
        {
            WorkingDirectory = Repository.Root,
            RedirectStandardInput = true,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        info.Environment["LANG"] = "en_US.UTF-8";
        info.Environment["LC_ALL"] = "";
        info.Environment["ConnectionStrings__Campaigns"] = connectionString ?? "";
        return Process.Start(info)!;
    }

    // As these tests were built: bin/CONFIGURATION/net10.0.
    private static string Configuration =>
        new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)).Parent!.Name;
}
