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

    /// <summary>SQL that adds the names <c>@names</c> to a table of them, as many as there is room for.</summary>
    public static string Add(string table) =>
        $"""
            INSERT INTO {table} (name)
            SELECT n.name FROM unnest(@names) WITH ORDINALITY AS n (name, place)
            WHERE NOT EXISTS (SELECT FROM {table} AS t WHERE t.name = n.name)
            ORDER BY n.place
            LIMIT greatest({MostNames} - (SELECT count(*) FROM {table}), 0)
            ON CONFLICT (name) DO NOTHING
            """;

    /// <summary>Keys by name, made where there was none. Names beyond the room there is are left out.</summary>
    public async Task<IReadOnlyDictionary<string, short>> OfAsync(
        IEnumerable<string> names,
        CancellationToken cancellationToken
    )
    {
        var asked = names.ToHashSet();
        if (!Knows(asked))
        {
            // On a connection of its own: a name that a transaction rolled back must not stay in memory.
            await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
            await LearnAsync(connection, asked, add: true);
        }

        return Known(asked);
    }

    /// <summary>Whether all of them have been asked for before.</summary>
    public bool Knows(IEnumerable<string> names) => names.All(_known.ContainsKey);

    /// <summary>Keys by name, of the names that have been asked for before.</summary>
    public IReadOnlyDictionary<string, short> Known(IEnumerable<string> names) =>
        names.Where(_known.ContainsKey).Distinct().ToDictionary(name => name, name => _known[name]);

    /// <summary>Looks names up.</summary>
    /// <param name="connection">In no transaction.</param>
    /// <param name="add">Whether to make keys where there are none, as long as there is room.</param>
    public async Task LearnAsync(NpgsqlConnection connection, IEnumerable<string> names, bool add)
    {
        var unknown = names.Where(name => !_known.ContainsKey(name)).Distinct().Order(StringComparer.Ordinal).ToArray();
        if (unknown.Length == 0)
        {
            return;
        }

        if (add)
        {
            await connection.ExecuteAsync(Add(table), new { names = unknown });
        }

        var rows = await connection.QueryAsync<(string Name, short Key)>(
            $"SELECT name, {key} FROM {table} WHERE name = ANY (@unknown)",
            new { unknown }
        );
        foreach (var (name, value) in rows)
        {
            _known[name] = value;
        }
    }
}
