using System.Text.Json;
using System.Text.RegularExpressions;
using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Customers.Import;

/// <summary>Mappings by id, kept so that a file can be sent with no more than the mapping's name.</summary>
public sealed partial class ImportMappings(NpgsqlDataSource dataSource)
{
    /// <summary>Creates or replaces a mapping. 400 with every member at fault.</summary>
    public async Task<Result<ImportMapping>> PutAsync(
        Actor actor,
        string mappingId,
        ImportMapping mapping,
        CancellationToken cancellationToken
    )
    {
        var faults = ImportMappingRules.Faults(mapping);
        if (!IdPattern().IsMatch(mappingId))
        {
            faults = [new("id", "must be 1 to 63 characters of a-z, 0-9 and -"), .. faults];
        }

        if (faults.Count > 0)
        {
            return Error.Validation([.. faults]);
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var now = await BusinessClock.NowAsync(connection);
        await connection.ExecuteAsync(
            """
            INSERT INTO import_mapping (mapping_id, definition, updated_by, updated_at)
            VALUES (@mappingId, @definition::jsonb, @actor, @now)
            ON CONFLICT (mapping_id) DO UPDATE SET
                definition = excluded.definition, updated_by = excluded.updated_by, updated_at = excluded.updated_at
            """,
            new
            {
                mappingId,
                definition = JsonSerializer.Serialize(mapping, ProductJson.Options),
                actor = actor.Id,
                now,
            }
        );
        await AuditLog.WriteAsync(connection, now, actor, "defined", "mapping", mappingId);
        await transaction.CommitAsync(cancellationToken);
        return mapping;
    }

    /// <summary>The mapping, or 404.</summary>
    public async Task<Result<ImportMapping>> GetAsync(string mappingId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var definition = await connection.ExecuteScalarAsync<string?>(
            "SELECT definition::text FROM import_mapping WHERE mapping_id = @mappingId",
            new { mappingId }
        );
        return definition is null
            ? Error.NotFound("mapping", mappingId)
            : JsonSerializer.Deserialize<ImportMapping>(definition, ProductJson.Options)!;
    }

    [GeneratedRegex(@"\A[a-z0-9][a-z0-9-]{0,62}\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex IdPattern();
}
