using System.Diagnostics;

namespace Campaigns.Embedded;

/// <summary>A program and its arguments, before it runs.</summary>
internal sealed record Command(string Program, IReadOnlyList<string> Arguments)
{
    public ProcessStartInfo StartInfo()
    {
        var info = new ProcessStartInfo(Program, Arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            // The host's directory may be one that PostgreSQL's account cannot enter.
            WorkingDirectory = "/",
        };
        foreach (var name in info.Environment.Keys.Where(IsForeign).ToList())
        {
            info.Environment.Remove(name);
        }

        info.Environment["LC_ALL"] = "C";
        return info;
    }

    public async Task<CommandResult> RunAsync(CancellationToken cancellationToken)
    {
        using var process = Process.Start(StartInfo()) ?? throw new IOException($"{Program} did not start");
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        var error = process.StandardError.ReadToEndAsync(cancellationToken);
        try
        {
            await process.WaitForExitAsync(cancellationToken);
            return new CommandResult(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    // PGPORT, PGDATA and their like would speak for another server.
    private static bool IsForeign(string name) =>
        name.StartsWith("PG", StringComparison.Ordinal) || name.StartsWith("LC_", StringComparison.Ordinal);
}

internal sealed record CommandResult(int ExitCode, string Output, string Error)
{
    public bool Succeeded => ExitCode == 0;

    /// <summary>The line of the program's complaint that says why.</summary>
    public string Reason()
    {
        var lines = (Error.Length > 0 ? Error : Output).Split(
            '\n',
            StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries
        );
        return lines.Select(Complaint).FirstOrDefault(c => c is not null)
            ?? lines.LastOrDefault()
            ?? $"exit code {ExitCode}";
    }

    /// <summary>What follows PostgreSQL's "FATAL:" or initdb's "error:", or npm's and apt-get's whole line.</summary>
    public static string? Complaint(string line)
    {
        foreach (var mark in new[] { "FATAL:", "PANIC:", "error:" })
        {
            var at = line.IndexOf(mark, StringComparison.Ordinal);
            if (at >= 0)
            {
                return line[(at + mark.Length)..].Trim();
            }
        }

        return line.StartsWith("npm error", StringComparison.Ordinal) || line.StartsWith("E:", StringComparison.Ordinal)
            ? line
            : null;
    }
}
