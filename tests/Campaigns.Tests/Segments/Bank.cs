using System.Text.Json;
using Campaigns.Access;
using Campaigns.Results;
using Campaigns.Segments;
using Campaigns.Tests.Support;
using Dapper;
using Npgsql;
using NpgsqlTypes;

namespace Campaigns.Tests.Segments;

/// <summary>A customer as a test tells of it; the database and the naive evaluator see the same.</summary>
internal sealed record BankCustomer(string Id)
{
    /// <summary>Numbers as decimal, text and enums as string, booleans as bool, dates as DateOnly.</summary>
    public Dictionary<string, object> Attributes { get; init; } = [];
    public string[] Tags { get; init; } = [];
    public DateOnly? BirthDate { get; init; }
    public bool SensitiveConsent { get; init; } = true;
    public bool Stub { get; init; }
    public bool Erased { get; init; }
    public IReadOnlyList<BankEvent> Events { get; init; } = [];
}

internal sealed record BankEvent(string Name, DateTimeOffset At, decimal? Amount = null)
{
    /// <summary>Numbers as decimal, texts as string, booleans as bool; null for none.</summary>
    public Dictionary<string, object>? Attributes { get; init; }
}

/// <summary>A small bank on a database of its own.</summary>
internal sealed class Bank : IAsyncDisposable
{
    public static readonly DateTimeOffset AsOf = new(2026, 3, 2, 2, 0, 0, TimeSpan.Zero); // 10:00 in Shanghai
    public static readonly Actor Marketer = new("marketer", Role.Marketer);

    private readonly TestDatabase _database;

    private Bank(TestDatabase database)
    {
        _database = database;
        Segments = new SegmentStore(database.DataSource, new SegmentOptions());
        Members = new SegmentMembers(database.DataSource, new SegmentOptions());
    }

    public SegmentStore Segments { get; }
    public SegmentMembers Members { get; }
    public NpgsqlDataSource DataSource => _database.DataSource;

    /// <summary>With fields of every type: balance, score (profiling), job (text), city (enum), housing, opened_on, and
    /// income (sensitive).</summary>
    public static async Task<Bank> OpenAsync(params BankCustomer[] customers)
    {
        var bank = new Bank(await Databases.CreateAsync());
        await bank.ExecuteAsync(
            """
            INSERT INTO field (name, type, options, sensitive, profiling, updated_at) VALUES
                ('balance', 'number', NULL, false, false, now()),
                ('score', 'number', NULL, false, true, now()),
                ('job', 'text', NULL, false, false, now()),
                ('city', 'enum', '{Shanghai,Beijing,成都}', false, false, now()),
                ('housing', 'boolean', NULL, false, false, now()),
                ('opened_on', 'date', NULL, false, false, now()),
                ('income', 'number', NULL, true, false, now())
            """
        );
        await bank.AddAsync(customers);
        return bank;
    }

    public async Task ExecuteAsync(string sql, object? parameters = null)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(sql, parameters);
    }

    public async Task AddAsync(IReadOnlyCollection<BankCustomer> customers)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            INSERT INTO customer (customer_id, attributes, tags, stub, updated_at)
            SELECT c->>'id', c->'attributes', ARRAY(SELECT jsonb_array_elements_text(c->'tags')), (c->>'stub')::boolean, now()
            FROM jsonb_array_elements(@json::jsonb) WITH ORDINALITY AS given (c, nth) ORDER BY nth;
            INSERT INTO contact (customer_key, birth_date, sensitive_consent, erased)
            SELECT customer_key, (c->>'birthDate')::date, (c->>'sensitiveConsent')::boolean, (c->>'erased')::boolean
            FROM jsonb_array_elements(@json::jsonb) AS given (c) JOIN customer ON customer_id = c->>'id';
            INSERT INTO event_type (name) SELECT DISTINCT e->>'name'
            FROM jsonb_array_elements(@json::jsonb) AS given (c), jsonb_array_elements(c->'events') AS happened (e)
            ON CONFLICT DO NOTHING;
            INSERT INTO event (customer_key, occurred_at, recorded_at, event_type, event_source, event_id, amount, attributes)
            SELECT customer_key, (e->>'at')::timestamptz, now(), event_type, 1, gen_random_uuid(), (e->>'amount')::numeric,
                nullif(e->'attributes', 'null')
            FROM jsonb_array_elements(@json::jsonb) AS given (c), jsonb_array_elements(c->'events') AS happened (e),
                customer, event_type
            WHERE customer_id = c->>'id' AND event_type.name = e->>'name'
            """,
            new { json = JsonSerializer.Serialize(customers, JsonSerializerOptions.Web) }
        );
    }

    public Task<Result<SegmentSaved>> TryPutAsync(string id, string rule, int? expectedVersion = null) =>
        Segments.PutAsync(Marketer, id, new SegmentDraft(id, Json(rule)), expectedVersion, CancellationToken.None);

    public async Task<SegmentSaved> PutAsync(string id, string rule)
    {
        var saved = await TryPutAsync(id, rule);
        return saved.Error is null
            ? saved.Value
            : throw new InvalidOperationException(
                $"{saved.Error.Detail} {string.Join("; ", saved.Error.Fields)} in {rule}"
            );
    }

    /// <summary>Ids of the members, in order, as a statement over all keys finds them.</summary>
    public async Task<string[]> MembersAsync(params SegmentReference[] references)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        var compiled = await Segments.CompileAsync(connection, references, "p", CancellationToken.None);
        return await MembersAsync(connection, compiled.Value, compiled.Value.Condition);
    }

    public static async Task<string[]> MembersAsync(NpgsqlConnection connection, CompiledRule rule, string condition)
    {
        await using var command = new NpgsqlCommand(
            $"""
            SELECT coalesce(array_agg(c.customer_id ORDER BY c.customer_key), '{"{}"}')
            FROM customer c JOIN contact k USING (customer_key)
            WHERE c.customer_key >= @low AND c.customer_key < @high AND {condition}
            """,
            connection
        );
        command.Parameters.Add(new NpgsqlParameter("as_of", NpgsqlDbType.TimestampTz) { Value = AsOf.UtcDateTime });
        command.Parameters.AddWithValue("low", 0L);
        command.Parameters.AddWithValue("high", long.MaxValue);
        foreach (var parameter in rule.Parameters)
        {
            command.Parameters.Add(parameter.Bind(AsOf));
        }

        return (string[])(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Ids of the members of a rule that is saved for the purpose.</summary>
    public async Task<string[]> WhoAsync(string rule)
    {
        await PutAsync("asked", rule);
        return await MembersAsync(new SegmentReference("asked"));
    }

    public static JsonElement Json(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();
}

/// <summary>One empty bank for all tests of a class that leave nothing behind that another minds.</summary>
public sealed class SharedBank : IAsyncLifetime
{
    internal Bank Bank { get; private set; } = null!;

    public async Task InitializeAsync() => Bank = await Bank.OpenAsync();

    public async Task DisposeAsync() => await Bank.DisposeAsync();
}
