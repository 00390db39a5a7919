using System.Security.Cryptography;
using System.Text;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>What the planner knows about attributes. jsonb has no statistics of its own: without these, 55 rows were
/// estimated where there were 571,000.</summary>
internal static class FieldStatistics
{
    /// <summary>Makes what is missing, by the field's present type. They are filled by the next ANALYZE. A table that is
    /// being analysed is not waited for: the next import asks again.</summary>
    public static async Task EnsureAsync(
        NpgsqlConnection connection,
        IEnumerable<Field> fields,
        CancellationToken cancellationToken
    )
    {
        var known = await connection.QueryAsync<string>(
            "SELECT stxname::text FROM pg_statistic_ext WHERE stxrelid = 'customer'::regclass"
        );
        var present = known.ToHashSet();
        foreach (var field in fields.Where(field => !present.Contains(Name(field))))
        {
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            try
            {
                await connection.ExecuteAsync("SET LOCAL lock_timeout = '500ms'");
                await connection.ExecuteAsync(
                    $"CREATE STATISTICS IF NOT EXISTS {Name(field)} ON ({Expression(field)}) FROM customer"
                );
                await transaction.CommitAsync(cancellationToken);
            }
            catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.LockNotAvailable)
            {
                return;
            }
        }
    }

    /// <summary>Drops them, in the transaction that changes the field's type: ANALYZE would fail on a value that is not
    /// of the old type.</summary>
    public static Task DropAsync(NpgsqlConnection connection, Field field) =>
        connection.ExecuteAsync($"DROP STATISTICS IF EXISTS {Name(field)}");

    /// <summary>Exactly what compiled rules compare: the planner finds the statistics by the expression.</summary>
    private static string Expression(Field field)
    {
        var text = $"(attributes ->> '{field.Name.Replace("'", "''", StringComparison.Ordinal)}')";
        return field.Type switch
        {
            FieldType.Number => $"{text}::numeric",
            FieldType.Boolean => $"{text}::boolean",
            _ => text,
        };
    }

    // A field's name may be as long as an identifier can be, so it has no room for the type.
    private static string Name(Field field)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(field.Name)).AsSpan(0, 8);
        return $"field_{Convert.ToHexStringLower(hash)}_{field.Type.ToString().ToLowerInvariant()}";
    }
}
