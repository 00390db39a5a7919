using System.Globalization;
using System.Security.Cryptography;

namespace Campaigns.Embedded;

/// <summary>
/// The caller's directory: <c>cluster</c> is PostgreSQL's own, beside it lie the password, the last port, and the lock
/// that one host at a time holds until it stops or dies.
/// </summary>
internal sealed class DataDirectory : IDisposable
{
    public const string Role = "campaigns";
    public const string Database = "campaigns";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    // What .NET answers for a lock that another process holds is the system's own number.
    private const int WouldBlockOnLinux = 11;
    private const int WouldBlockOnMac = 35;

    private readonly FileStream _lock;

    private DataDirectory(string root, FileStream @lock)
    {
        Root = root;
        _lock = @lock;
    }

    public string Root { get; }

    public string Cluster => Path.Combine(Root, "cluster");

    private string PasswordFile => Path.Combine(Root, "password");

    private string PortFile => Path.Combine(Root, "port");

    public static DataDirectory Open(string path, Account account)
    {
        var root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        UserDirectory.Create(root, passage: account.IsOther);
        return TryLock(root) is { } held
            ? new DataDirectory(root, held)
            : throw new EmbeddedPostgresException(
                $"Another program is running PostgreSQL on {root}: stop it, or choose another data directory."
            );
    }

    /// <summary>Null while a host holds it; the system releases it when that host dies.</summary>
    public static FileStream? TryLock(string root)
    {
        try
        {
            return new FileStream(
                Path.Combine(root, "lock"),
                new FileStreamOptions
                {
                    Mode = FileMode.OpenOrCreate,
                    Access = FileAccess.ReadWrite,
                    Share = FileShare.None,
                    UnixCreateMode = OwnerOnly,
                }
            );
        }
        catch (IOException e) when (e.HResult is WouldBlockOnLinux or WouldBlockOnMac)
        {
            return null;
        }
    }

    /// <summary>Of the cluster that is there; null where there is none yet.</summary>
    public int? MajorVersion()
    {
        var file = Path.Combine(Cluster, "PG_VERSION");
        return File.Exists(file) ? int.Parse(File.ReadAllText(file).Trim(), CultureInfo.InvariantCulture) : null;
    }

    /// <summary>Makes the cluster under another name first: one that was interrupted is never taken for whole.</summary>
    public async Task InitializeAsync(
        Binaries binaries,
        Account account,
        bool durable,
        CancellationToken cancellationToken
    )
    {
        foreach (var unfinished in Directory.EnumerateDirectories(Root, "cluster.new-*"))
        {
            Directory.Delete(unfinished, recursive: true);
        }

        Write(PasswordFile, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24)));
        account.Own(PasswordFile);
        var unnamed = Path.Combine(Root, $"cluster.new-{Guid.NewGuid():n}");
        UserDirectory.Create(unnamed, passage: false);
        account.Own(unnamed);
        var result = await account
            .Command(binaries.Initdb, InitdbArguments(unnamed, durable))
            .RunAsync(cancellationToken);
        if (!result.Succeeded)
        {
            Directory.Delete(unnamed, recursive: true);
            throw new EmbeddedPostgresException($"PostgreSQL could not set up {Root}: {result.Reason()}");
        }

        Directory.Move(unnamed, Cluster);
    }

    public string Password() => File.ReadAllText(PasswordFile).Trim();

    public int? StoredPort() =>
        File.Exists(PortFile)
        && int.TryParse(File.ReadAllText(PortFile), CultureInfo.InvariantCulture, out var port)
        && port is > 0 and <= ushort.MaxValue
            ? port
            : null;

    public void StorePort(int port) => Write(PortFile, port.ToString(CultureInfo.InvariantCulture));

    public void Dispose() => _lock.Dispose();

    private string[] InitdbArguments(string cluster, bool durable)
    {
        string[] arguments =
        [
            "-D",
            cluster,
            "-U",
            Role,
            "--auth=scram-sha-256",
            $"--pwfile={PasswordFile}",
            "--encoding=UTF8",
            // Code point order everywhere, and Unicode's letters, so that results do not depend on the machine.
            "--locale=C",
            OperatingSystem.IsMacOS() ? "--lc-ctype=en_US.UTF-8" : "--lc-ctype=C.UTF-8",
        ];
        return durable ? arguments : [.. arguments, "--no-sync"];
    }

    private static void Write(string path, string text)
    {
        File.Delete(path);
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = OwnerOnly,
        };
        using var writer = new StreamWriter(path, options);
        writer.Write(text);
    }
}
