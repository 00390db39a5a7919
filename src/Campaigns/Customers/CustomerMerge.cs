using System.Data;
using Campaigns.Channels;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>Rows of customers as a relation of SQL: <c>ord, id, attributes, tags, address_key</c>, a ciphertext and a
/// lookup for each channel (<c>sms_cipher, sms_lookup, …</c>), the profile's columns of <c>contact</c>, and, where consents
/// come along, <c>granted, refused</c> (bit <c>channel - 1</c>, 8 for every channel), <c>sensitive, personalisation,
/// consented_at</c>. An id appears once.</summary>
internal sealed record RowSource(string Sql, object Parameters)
{
    /// <summary>Of <c>channel, lookup</c>.</summary>
    public static readonly RowSource NoAddresses = new(
        "SELECT NULL::smallint AS channel, NULL::bytea AS lookup WHERE false",
        new { }
    );

    /// <summary>For a part of a file, whose customers are in no other part that is merged at the same time: a table of
    /// <c>channel, lookup</c> with the addresses that more than one customer may have. Null where any may be.</summary>
    public string? Contested { get; init; }
}

/// <summary>What the rows say. What they do not say stays as it is.</summary>
internal sealed record MergeScope
{
    /// <summary>The rows say all attributes and tags there are.</summary>
    public bool Whole { get; init; }

    /// <summary>Fields and tags that the rows say, where they do not say all.</summary>
    public string[] Fields { get; init; } = [];
    public string[] Tags { get; init; } = [];

    /// <summary>Columns of <c>contact</c>.</summary>
    public IReadOnlyList<string> Columns { get; init; } = [];
    public IReadOnlyList<Channel> Channels { get; init; } = [];

    /// <summary>Where consents come along: their proof.</summary>
    public ConsentProof? Proof { get; init; }

    public static readonly MergeScope Everything = new()
    {
        Whole = true,
        Columns =
        [
            "birth_date",
            "risk_rated_until",
            "risk_rating",
            "zone",
            "preferred_slots",
            "preferred_channels",
            "student",
        ],
        Channels = Enum.GetValues<Channel>(),
    };
}

/// <param name="Source">Where the customer said it.</param>
internal sealed record ConsentProof(string Source, string? TextVersion, string? Operator);

/// <summary>By <c>ord</c>. The rows in none of the lists said what was known already.</summary>
internal sealed record Merged(long Rows, int[] Created, int[] Updated, int[] Erased)
{
    public long Unchanged => Rows - Created.Length - Updated.Length - Erased.Length;
}

/// <summary>Writes rows of customers into <c>customer</c>, <c>contact</c>, <c>address</c> and <c>consent</c>, set by set and in
/// the order of keys; what is unchanged is not touched. Runs in the caller's transaction, which may fail with 23505 or
/// 40P01 where others write the same customers: the caller repeats it.</summary>
internal sealed class CustomerMerge(
    NpgsqlConnection connection,
    RowSource source,
    MergeScope scope,
    DateTimeOffset now,
    CancellationToken cancellationToken
)
{
    private readonly SharedAddresses _shared = new(connection, cancellationToken);

    public async Task<Merged> RunAsync()
    {
        if (scope.Channels.Count > 0)
        {
            await (
                source.Contested is not null
                    ? _shared.HoldAllCustomersAsync()
                    : _shared.HoldCustomersAsync(source with { Sql = $"SELECT s.id FROM {source.Sql} AS s" })
            );
        }

        var (rows, fresh) = (await QueryAsync<(long Rows, int[] Fresh)>(FreshSql)).Single();
        var known = fresh.Length == rows ? [] : (await QueryAsync<(int Ord, long Key, bool Erased)>(KnownSql)).AsList();
        // A customer whom somebody else made since is a violation of a unique key.
        if (fresh.Length > 0)
        {
            await ExecuteAsync(CreateSql(all: fresh.Length == rows), new { fresh });
        }

        var changed = known.Where(row => !row.Erased).ToList();
        var members = new
        {
            keys = changed.Select(row => row.Key).ToArray(),
            ords = changed.Select(row => row.Ord).ToArray(),
        };
        var left = changed.Count == 0 ? AddressGroups.None : await MoveAddressesAsync(members);
        if (scope.Channels.Count > 0)
        {
            await _shared.HoldAddressesAsync(Lookups, left);
        }

        if (changed.Count > 0)
        {
            await UpdateAsync(members, members.keys);
        }

        if (scope.Channels.Count > 0)
        {
            await _shared.SettleAsync(Lookups, left);
        }

        return new Merged(rows, fresh, members.ords, [.. known.Where(row => row.Erased).Select(row => row.Ord)]);
    }

    private async Task<AddressGroups> MoveAddressesAsync(object members)
    {
        if (scope.Channels.Count == 0)
        {
            return AddressGroups.None;
        }

        var left = AddressGroups.Of(await QueryAsync<(short, byte[])>(LeftAddressesSql, members));
        await ExecuteAsync(DropAddressesSql, members);
        await ExecuteAsync(AddAddressesSql, members);
        return left;
    }

    private async Task UpdateAsync(object members, long[] keys)
    {
        await ExecuteAsync(
            "SELECT FROM contact WHERE customer_key = ANY (@keys) ORDER BY customer_key FOR UPDATE",
            members
        );
        await ExecuteAsync(UpdateCustomersSql, members);
        await ExecuteAsync(UpdateContactsSql, members);
        if (scope.Proof is not null)
        {
            await ExecuteAsync(AddConsentsSql, members);
            await ConsentBits.RecomputeAsync(connection, keys);
        }
    }

    private Task<IEnumerable<T>> QueryAsync<T>(string sql, object? more = null) =>
        connection.QueryAsync<T>(Command(sql, more));

    private Task<int> ExecuteAsync(string sql, object? more = null) => connection.ExecuteAsync(Command(sql, more));

    private CommandDefinition Command(string sql, object? more)
    {
        var parameters = new DynamicParameters(source.Parameters);
        parameters.AddDynamicParams(
            new
            {
                now = now.UtcDateTime,
                fields = scope.Fields,
                mapped_tags = scope.Tags,
                proof = scope.Proof?.Source,
                text_version = scope.Proof?.TextVersion,
                @operator = scope.Proof?.Operator,
            }
        );
        parameters.AddDynamicParams(more);
        return new CommandDefinition(sql, parameters, cancellationToken: cancellationToken);
    }

    private RowSource Lookups =>
        source with
        {
            Sql = source.Contested is null
                ? $"SELECT l.channel, l.lookup FROM ({LookupsSql(scope.Channels, source.Sql)}) AS l"
                : $"SELECT l.channel, l.lookup FROM ({LookupsSql(scope.Channels, source.Sql)}) AS l JOIN {source.Contested} USING (channel, lookup)",
        };

    /// <summary>The addresses of rows: <c>id, channel, lookup</c>.</summary>
    internal static string LookupsSql(IReadOnlyList<Channel> channels, string rows) =>
        string.Join(
            " UNION ALL ",
            channels.Select(c =>
                $"SELECT id, {(int)c}::smallint AS channel, {Name(c)}_lookup AS lookup FROM {rows} AS s WHERE {Name(c)}_lookup IS NOT NULL"
            )
        );

    private string AddressRows =>
        $"""
            CROSS JOIN LATERAL (VALUES {string.Join(
                ", ",
                scope.Channels.Select(c => $"({(int)c}::smallint, s.{Name(c)}_cipher, s.{Name(c)}_lookup)")
            )}) AS v (channel, cipher, lookup)
            """;

    // A bit each, and what it says; scanning the rows once for each is much cheaper than expanding each row.
    private static readonly (string Channel, string Purpose, string Said, string Granted)[] Consents =
    [
        .. new[] { (0, 8), (1, 1), (2, 2), (3, 4) }.Select(c =>
            ($"{c.Item1}", "marketing", $"(s.granted | s.refused) & {c.Item2} <> 0", $"s.refused & {c.Item2} = 0")
        ),
        ("0", "sensitive", "s.sensitive IS NOT NULL", "s.sensitive"),
        ("0", "personalisation", "s.personalisation IS NOT NULL", "s.personalisation"),
    ];

    /// <summary>What rows of a relation <c>s</c> say of consents.</summary>
    private static string ConsentRows(string columns, string from) =>
        string.Join(
            "\nUNION ALL ",
            Consents.Select(c =>
                $"SELECT {columns}, {c.Channel}::smallint AS channel, '{c.Purpose}' AS purpose, {c.Granted} AS granted, "
                + $"s.consented_at FROM {from} WHERE {c.Said}"
            )
        );

    private string ReachableSql =>
        scope.Channels.Count == 0
            ? "0"
            : string.Join(
                " | ",
                scope.Channels.Select(c => $"CASE WHEN s.{Name(c)}_lookup IS NULL THEN 0 ELSE {c.Bit()} END")
            );

    private string AttributesSql => scope.Whole ? "s.attributes" : "(c.attributes - @fields) || s.attributes";

    private string TagsSql =>
        scope.Whole ? "s.tags"
        : scope.Tags.Length == 0 ? "c.tags"
        : """
            ARRAY(
                SELECT t COLLATE "C" FROM unnest(c.tags) AS t WHERE t <> ALL (@mapped_tags)
                UNION SELECT t COLLATE "C" FROM unnest(s.tags) AS t
                ORDER BY 1
            )
            """;

    private string FreshSql =>
        $"""
            SELECT count(*), coalesce(array_agg(s.ord) FILTER (WHERE c.customer_id IS NULL), '{EmptyArray}')
            FROM {source.Sql} AS s
            LEFT JOIN customer AS c ON c.customer_id = s.id
            """;

    private string CreateSql(bool all) =>
        $"""
            WITH fresh AS MATERIALIZED (
                SELECT nextval('customer_customer_key_seq') AS customer_key, s.*
                FROM (
                    SELECT * FROM {source.Sql} AS s
                    {(all ? "" : "WHERE s.ord = ANY (@fresh)")}
                    ORDER BY s.ord
                ) AS s
            ), customers AS (
                INSERT INTO customer (customer_key, customer_id, attributes, tags, updated_at)
                OVERRIDING SYSTEM VALUE
                SELECT customer_key, id, attributes, tags, @now FROM fresh
            ), contacts AS (
                INSERT INTO contact (
                    customer_key, reachable {Comma(scope.Columns)}
                    {(scope.Proof is null ? "" : ", consented, opted_out, sensitive_consent, personalisation_off")}
                )
                SELECT customer_key, {ReachableSql} {Comma(scope.Columns.Select(column => $"s.{column}"))}
                {(scope.Proof is null
                    ? ""
                    : $"""
                        , {EveryChannel("s.granted")} & ~({EveryChannel("s.refused")}), {EveryChannel("s.refused")},
                        coalesce(s.sensitive, false), NOT coalesce(s.personalisation, true)
                        """)}
                FROM fresh AS s
            ){(scope.Channels.Count == 0
                ? ""
                : $"""
                , addresses AS (
                    INSERT INTO address (customer_key, channel, key_id, ciphertext, lookup)
                    {string.Join(" UNION ALL ", scope.Channels.Select(c => $"""
                        SELECT customer_key, {(int)c}::smallint, address_key, {Name(c)}_cipher, {Name(c)}_lookup
                        FROM fresh WHERE {Name(c)}_lookup IS NOT NULL
                        """))}
                )
                """)}{(scope.Proof is null
                ? ""
                : $"""
                , consents AS (
                    INSERT INTO consent (customer_key, channel, purpose, granted, source, text_version, operator, occurred_at, recorded_at)
                    SELECT e.customer_key, e.channel, e.purpose, e.granted, @proof, @text_version, @operator, e.consented_at, @now
                    FROM ({ConsentRows("s.customer_key", "fresh AS s")}) AS e
                )
                """)}
            SELECT count(*) FROM fresh
            """;

    // Locked in the order of keys; rows that say what is known are neither returned nor locked.
    private string KnownSql =>
        $"""
            SELECT s.ord, c.customer_key, c.erased
            FROM {source.Sql} AS s
            JOIN customer AS c ON c.customer_id = s.id
            JOIN contact AS k ON k.customer_key = c.customer_key
            {string.Join(
                '\n',
                scope.Channels.Select(c =>
                    $"LEFT JOIN address AS {Name(c)} ON {Name(c)}.customer_key = c.customer_key AND {Name(c)}.channel = {(int)c}"
                )
            )}
            WHERE c.erased OR c.stub
                OR {AttributesSql} <> c.attributes
                OR {TagsSql} <> c.tags
                {string.Concat(scope.Columns.Select(column => $"OR k.{column} IS DISTINCT FROM s.{column}\n"))}
                {string.Concat(
                    scope.Channels.Select(c => $"OR {Name(c)}.lookup IS DISTINCT FROM s.{Name(c)}_lookup\n")
                )}
                {(scope.Proof is null
                    ? ""
                    : $"OR EXISTS (SELECT FROM ({ConsentRows("1", "(SELECT 1) AS one")}) AS e WHERE {NewConsent("c.customer_key")})")}
            ORDER BY c.customer_key
            FOR UPDATE OF c
            """;

    private string MemberRows =>
        $"unnest(@keys, @ords) AS m (customer_key, ord) JOIN {source.Sql} AS s ON s.ord = m.ord";

    private string LeftAddressesSql =>
        $"""
            SELECT a.channel, a.lookup
            FROM {MemberRows} {AddressRows}
            JOIN address AS a ON a.customer_key = m.customer_key AND a.channel = v.channel
            WHERE a.lookup IS DISTINCT FROM v.lookup
            """;

    private string DropAddressesSql =>
        $"""
            DELETE FROM address AS a
            USING {MemberRows} {AddressRows}
            WHERE a.customer_key = m.customer_key AND a.channel = v.channel AND a.lookup IS DISTINCT FROM v.lookup
            """;

    private string AddAddressesSql =>
        $"""
            INSERT INTO address (customer_key, channel, key_id, ciphertext, lookup)
            SELECT m.customer_key, v.channel, s.address_key, v.cipher, v.lookup
            FROM {MemberRows} {AddressRows}
            WHERE v.lookup IS NOT NULL
            ORDER BY m.customer_key
            ON CONFLICT DO NOTHING
            """;

    private string UpdateCustomersSql =>
        $"""
            UPDATE customer AS c SET attributes = {AttributesSql}, tags = {TagsSql}, stub = false, updated_at = @now
            FROM {MemberRows}
            WHERE c.customer_key = m.customer_key
            """;

    // Who shares an address is settled afterwards.
    private string UpdateContactsSql =>
        $"""
            UPDATE contact AS k SET
                reachable = (k.reachable & ~{Mask}) | {ReachableSql},
                shared = k.shared & ~{Mask}
                {string.Concat(scope.Columns.Select(column => $", {column} = s.{column}\n"))}
            FROM {MemberRows}
            WHERE k.customer_key = m.customer_key
            """;

    private string AddConsentsSql =>
        $"""
            INSERT INTO consent (customer_key, channel, purpose, granted, source, text_version, operator, occurred_at, recorded_at)
            SELECT e.customer_key, e.channel, e.purpose, e.granted, @proof, @text_version, @operator, e.consented_at, @now
            FROM ({ConsentRows("m.customer_key", MemberRows)}) AS e
            WHERE {NewConsent("e.customer_key")}
            """;

    private static string NewConsent(string key) =>
        $"""
            NOT EXISTS (
                SELECT FROM consent AS o
                WHERE o.customer_key = {key} AND o.channel = e.channel AND o.purpose = e.purpose
                    AND o.granted = e.granted AND o.source = @proof AND o.occurred_at = e.consented_at
            )
            """;

    private static string EveryChannel(string bits) => $"(({bits} & 7) | CASE WHEN {bits} & 8 <> 0 THEN 7 ELSE 0 END)";

    private string Mask => $"{ChannelSet.Of(scope.Channels)}";

    private const string EmptyArray = "{}";

    private static string Comma(IEnumerable<string> columns) => string.Concat(columns.Select(column => $", {column}"));

    internal static string Name(Channel channel) => channel.ToString().ToLowerInvariant();
}
