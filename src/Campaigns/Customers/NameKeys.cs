using System.Collections.Concurrent;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>Small keys of names that never change or go: time zones, kinds and sources of events, templates that messages are
/// authorised by.</summary>
internal sealed class NameKeys(NpgsqlDataSource dataSource, string table, string key)
{
    /// <summary>A smallint has room for 32,767.</summary>
    public const int MostNames = 30_000;

    private readonly ConcurrentDictionary<string, short> _known = new();

    public static NameKeys TimeZones(NpgsqlDataSource dataSource) => new(dataSource, "time_zone", "zone");

    public static NameKeys EventTypes(NpgsqlDataSource dataSource) => new(dataSource, "event_type", "event_type");

    public static NameKeys AuthorisedTemplates(NpgsqlDataSource dataSource) =>
        new(dataSource, "authorised_template", "authorised_template");

    public static NameKeys EventSources(NpgsqlDataSource dataSource) => new(dataSource, "event_source", "event_source");

    /// <summary>Keys by name, made where there was none. Names beyond the room there is are left out.</summary>
    public async Task<IReadOnlyDictionary<string, short>> OfAsync(
        IEnumerable<string> names,
        CancellationToken cancellationToken
    )
    {
        var asked = names.ToHashSet();
        var unknown = asked.Where(name => !_known.ContainsKey(name)).Order(StringComparer.Ordinal).ToArray();
        if (unknown.Length > 0)
        {
            await LearnAsync(unknown, cancellationToken);
        }

        return Known(asked);
    }

    /// <summary>Keys by name, of the names that have been asked for before.</summary>
    public IReadOnlyDictionary<string, short> Known(IEnumerable<string> names) =>
        names.Where(_known.ContainsKey).Distinct().ToDictionary(name => name, name => _known[name]);

    // On a connection of its own: a name that a transaction rolled back must not stay in memory.
    private async Task LearnAsync(string[] names, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await connection.ExecuteAsync(
            $"""
            INSERT INTO {table} (name)
            SELECT n.name FROM unnest(@names) AS n (name)
            WHERE NOT EXISTS (SELECT FROM {table} AS t WHERE t.name = n.name)
                AND (SELECT count(*) FROM {table}) + cardinality(@names) <= {MostNames}
            ON CONFLICT (name) DO NOTHING
            """,
            new { names }
        );
        var rows = await connection.QueryAsync<(string Name, short Key)>(
            $"SELECT name, {key} FROM {table} WHERE name = ANY (@names)",
            new { names }
        );
        foreach (var (name, value) in rows)
        {
            _known[name] = value;
        }
    }
}
