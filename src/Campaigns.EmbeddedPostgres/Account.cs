using System.Globalization;

namespace Campaigns.Embedded;

/// <summary>
/// Whom PostgreSQL runs as: the user of this program, or, as PostgreSQL refuses root, an unprivileged account where
/// this program runs as root.
/// </summary>
internal sealed class Account
{
    private static readonly string[] Preferred = ["postgres", "nobody"];

    private readonly string? _name;
    private readonly uint _uid;
    private readonly uint _gid;

    private Account(string? name, uint uid, uint gid)
    {
        _name = name;
        _uid = uid;
        _gid = gid;
    }

    public bool IsOther => _name is not null;

    public static Account OfPostgres()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            return new Account(null, 0, 0);
        }

        if (Executable.InPath("setpriv") is null)
        {
            throw new EmbeddedPostgresException(
                "PostgreSQL does not run as root, and setpriv (util-linux), which hands it to another account, is missing: install it, run as an ordinary user, or set ConnectionStrings:Campaigns."
            );
        }

        // initdb asks for the account's name, so a bare number will not do.
        var accounts = File.ReadLines("/etc/passwd")
            .Select(l => l.Split(':'))
            .Where(f => f.Length >= 4 && Preferred.Contains(f[0], StringComparer.Ordinal))
            .OrderBy(f => Array.IndexOf(Preferred, f[0]))
            .ToList();
        return accounts.Count > 0
            ? new Account(accounts[0][0], Number(accounts[0][2]), Number(accounts[0][3]))
            : throw new EmbeddedPostgresException(
                "PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody: run as an ordinary user, or set ConnectionStrings:Campaigns."
            );
    }

    /// <summary>The program as this account, out of reach of the terminal's Ctrl-C, which is for the host.</summary>
    public Command Command(string program, IEnumerable<string> arguments) =>
        Wrap(IsOther ? AsAccount : [], program, arguments);

    /// <summary>
    /// As <see cref="Command"/>, and ended by SIGINT when the thread that starts it ends, so that thread has to live as
    /// long as the host. Without setpriv (macOS) a host that is killed leaves it running until the next start.
    /// </summary>
    public Command CommandEndingWithThread(string program, IEnumerable<string> arguments) =>
        Wrap([.. AsAccount, "--pdeathsig=INT"], program, arguments);

    public void Own(string path)
    {
        if (IsOther)
        {
            Native.ChangeOwner(path, _uid, _gid);
        }
    }

    /// <exception cref="EmbeddedPostgresException">The account cannot enter the data directory or run PostgreSQL.</exception>
    public async Task RequireAccessAsync(
        DataDirectory directory,
        Binaries binaries,
        CancellationToken cancellationToken
    )
    {
        if (!IsOther)
        {
            return;
        }

        await RequireAsync(directory.Root, "Choose a data directory elsewhere.", cancellationToken);
        await RequireAsync(binaries.Postgres, "Set PG_BIN to binaries elsewhere.", cancellationToken);
    }

    private IEnumerable<string> AsAccount => IsOther ? [$"--reuid={_uid}", $"--regid={_gid}", "--clear-groups"] : [];

    private static Command Wrap(IEnumerable<string> options, string program, IEnumerable<string> arguments)
    {
        string[] setpriv = options.Any() && Executable.InPath("setpriv") is { } found ? [found, .. options, "--"] : [];
        string[] setsid = Executable.InPath("setsid") is { } session ? [session] : [];
        string[] line = [.. setsid, .. setpriv, program, .. arguments];
        return new Command(line[0], line[1..]);
    }

    private async Task RequireAsync(string path, string advice, CancellationToken cancellationToken)
    {
        if (await CanEnterAsync(path, cancellationToken))
        {
            return;
        }

        var closed = path;
        for (
            var parent = Path.GetDirectoryName(path);
            parent is not null && !await CanEnterAsync(parent, cancellationToken);
            parent = Path.GetDirectoryName(parent)
        )
        {
            closed = parent;
        }

        throw new EmbeddedPostgresException(
            $"PostgreSQL runs as {_name} here, which cannot enter {closed} and so not use {path}. {advice}"
        );
    }

    private async Task<bool> CanEnterAsync(string path, CancellationToken cancellationToken) =>
        (await Command("test", ["-x", path]).RunAsync(cancellationToken)).Succeeded;

    private static uint Number(string digits) => uint.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
}
