using System.Text.RegularExpressions;
using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>Asked, in the transaction that changes a field, by those who rely on it: why it may not be changed so; null
/// where it may.</summary>
public delegate Task<string?> FieldUse(NpgsqlConnection connection, Field before, Field after);

/// <summary>The catalogue of fields. Attributes that are not in it are refused.</summary>
public sealed partial class Fields(NpgsqlDataSource dataSource, IEnumerable<FieldUse>? uses = null)
{
    private readonly FieldUse[] _uses = [.. uses ?? []];

    private const int MostFields = 500;
    private const int MostOptions = 500;

    /// <summary>Declares a field, or changes it. 409 <c>field-in-use</c> where customers hold values that the new
    /// declaration would not take, or rules rely on the old one; 400 with the members at fault.</summary>
    public async Task<Result<Field>> PutAsync(Actor actor, Field field, CancellationToken cancellationToken)
    {
        if (Faults(field).ToArray() is { Length: > 0 } faults)
        {
            return Error.Validation(faults);
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // Waits for whoever stores values checked against the catalogue as it was; see HoldAsync.
        await connection.ExecuteAsync("LOCK TABLE field IN EXCLUSIVE MODE");
        var before = (await LoadAsync(connection)).GetValueOrDefault(field.Name);
        if (before is null && await connection.ExecuteScalarAsync<int>("SELECT count(*)::int FROM field") >= MostFields)
        {
            return Error.Invalid("too-many-fields", "name", $"The catalogue holds {MostFields} fields at most.");
        }

        if (before is not null && await FindConflictAsync(connection, before, field) is { } conflict)
        {
            return conflict;
        }

        if (before is not null && before.Type != field.Type)
        {
            await FieldStatistics.DropAsync(connection, before);
        }

        await StoreAsync(connection, actor, field, await BusinessClock.NowAsync(connection));
        await transaction.CommitAsync(cancellationToken);
        await FieldStatistics.EnsureAsync(connection, [field], cancellationToken);
        return field;
    }

    /// <summary>The field, or 404.</summary>
    public async Task<Result<Field>> GetAsync(string name, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var fields = await LoadAsync(connection);
        return fields.TryGetValue(name, out var field) ? field : Error.NotFound("field", name);
    }

    /// <summary>All fields, by name.</summary>
    public async Task<IReadOnlyList<Field>> ListAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return [.. (await LoadAsync(connection)).Values.OrderBy(field => field.Name, StringComparer.Ordinal)];
    }

    /// <summary>The catalogue as it is, and as it stays until the connection's transaction ends.</summary>
    internal static async Task<IReadOnlyDictionary<string, Field>> HoldAsync(NpgsqlConnection connection)
    {
        await connection.ExecuteAsync("LOCK TABLE field IN ROW SHARE MODE");
        return await LoadAsync(connection);
    }

    internal static async Task<IReadOnlyDictionary<string, Field>> LoadAsync(NpgsqlConnection connection)
    {
        var rows = await connection.QueryAsync<Row>(
            "SELECT name, type, options, sensitive, profiling, description FROM field"
        );
        return rows.ToDictionary(row => row.Name, row => row.ToField());
    }

    private static async Task StoreAsync(NpgsqlConnection connection, Actor actor, Field field, DateTimeOffset now)
    {
        await connection.ExecuteAsync(
            """
            INSERT INTO field (name, type, options, sensitive, profiling, description, updated_at)
            VALUES (@Name, @type, @options, @Sensitive, @Profiling, @Description, @now)
            ON CONFLICT (name) DO UPDATE SET
                type = excluded.type, options = excluded.options, sensitive = excluded.sensitive,
                profiling = excluded.profiling, description = excluded.description, updated_at = excluded.updated_at
            """,
            new
            {
                field.Name,
                type = field.Type.ToString().ToLowerInvariant(),
                options = field.Type == FieldType.Enum ? field.Options.ToArray() : null,
                field.Sensitive,
                field.Profiling,
                field.Description,
                now,
            }
        );
        await AuditLog.WriteAsync(
            connection,
            now,
            actor,
            "declared",
            "field",
            field.Name,
            new
            {
                type = field.Type.ToString().ToLowerInvariant(),
                field.Sensitive,
                field.Profiling,
            }
        );
    }

    private async Task<Error?> FindConflictAsync(NpgsqlConnection connection, Field before, Field after)
    {
        foreach (var use in _uses)
        {
            if (await use(connection, before, after) is { } reason)
            {
                return InUse(reason);
            }
        }

        if (before.Type != after.Type)
        {
            var used = await connection.ExecuteScalarAsync<bool>(
                "SELECT EXISTS (SELECT FROM customer WHERE jsonb_exists(attributes, @Name))",
                new { after.Name }
            );
            return used ? InUse($"Customers hold values of field '{after.Name}': its type cannot change.") : null;
        }

        var dropped = before.Options.Except(after.Options).ToArray();
        if (dropped.Length == 0)
        {
            return null;
        }

        var still = await connection.ExecuteScalarAsync<string?>(
            "SELECT attributes ->> @Name FROM customer WHERE attributes ->> @Name = ANY (@dropped) LIMIT 1",
            new { after.Name, dropped }
        );
        return still is null ? null : InUse($"Customers hold the option '{still}' of field '{after.Name}'.");
    }

    private static Error InUse(string detail) => new(ErrorKind.Conflict, "field-in-use", detail);

    private static IEnumerable<FieldError> Faults(Field field)
    {
        if (!NamePattern().IsMatch(field.Name))
        {
            yield return new("name", "must be 1 to 63 characters of a-z, 0-9 and _, a letter first");
        }

        if (field.Type == FieldType.Enum && field.Options.Count is 0 or > MostOptions)
        {
            yield return new("options", $"must be 1 to {MostOptions} values for an enum");
        }

        if (field.Type != FieldType.Enum && field.Options.Count > 0)
        {
            yield return new("options", "are for an enum only");
        }

        if (field.Options.Any(option => !Texts.IsPrintable(option, 1, 200)))
        {
            yield return new("options", "must be printable texts of 1 to 200 characters");
        }

        if (field.Options.Distinct().Count() != field.Options.Count)
        {
            yield return new("options", "must differ from each other");
        }

        if (field.Description is { } description && !Texts.IsPrintable(description, 0, 500))
        {
            yield return new("description", "must be a printable text of at most 500 characters");
        }
    }

    [GeneratedRegex(@"\A[a-z][a-z0-9_]{0,62}\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex NamePattern();

    private sealed class Row
    {
        public string Name { get; init; } = "";
        public string Type { get; init; } = "";
        public string[]? Options { get; init; }
        public bool Sensitive { get; init; }
        public bool Profiling { get; init; }
        public string? Description { get; init; }

        public Field ToField() =>
            new(Name, Enum.Parse<FieldType>(Type, ignoreCase: true))
            {
                Options = Options ?? [],
                Sensitive = Sensitive,
                Profiling = Profiling,
                Description = Description,
            };
    }
}
