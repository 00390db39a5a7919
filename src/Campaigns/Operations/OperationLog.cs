using System.Text.Json;
using Campaigns.Access;
using Campaigns.Json;
using Campaigns.Results;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Campaigns.Operations;

/// <summary>How far long work is.</summary>
public enum OperationState
{
    Running,
    Succeeded,
    Failed,
}

/// <summary>Long work that its caller may watch.</summary>
/// <param name="Kind">What work, such as <c>import</c>.</param>
/// <param name="SubjectId">What it is about.</param>
/// <param name="Actor">Who asked for it.</param>
/// <param name="Done">So many of the total.</param>
public sealed record Operation(
    string Id,
    string Kind,
    string SubjectId,
    string Actor,
    OperationState State,
    long Done,
    DateTimeOffset StartedAt
)
{
    /// <summary>Null while unknown.</summary>
    public long? Total { get; init; }

    /// <summary>What came of it; set once it has succeeded.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>Why it failed; set once it has.</summary>
    public OperationFailure? Failure { get; init; }
    public DateTimeOffset? FinishedAt { get; init; }
}

/// <summary>Why long work failed.</summary>
/// <param name="Type">A stable slug.</param>
public sealed record OperationFailure(string Type, string Detail);

/// <summary>Keeps account of long work. Every change goes through the connection, and so the transaction, of the work
/// itself.</summary>
public sealed class OperationLog(NpgsqlDataSource dataSource)
{
    /// <summary>The operation, or 404. A partner sees its own only.</summary>
    public async Task<Result<Operation>> GetAsync(Actor actor, string operationId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var row = await connection.QuerySingleOrDefaultAsync<Row>(
            new CommandDefinition(
                """
                SELECT operation_id, kind, subject_id, actor, state, done, total, result::text AS result, started_at,
                    finished_at
                FROM operation
                WHERE operation_id = @operationId AND (@mine::text IS NULL OR actor = @mine)
                """,
                new { operationId, mine = actor.Role == Role.Partner ? actor.Id : null },
                cancellationToken: cancellationToken
            )
        );
        return row is null ? Error.NotFound("operation", operationId) : row.Show();
    }

    /// <summary>Begins an operation.</summary>
    /// <param name="total">Null while unknown.</param>
    /// <param name="at">Business time.</param>
    /// <returns>Its id.</returns>
    public static async Task<string> StartAsync(
        NpgsqlConnection connection,
        Actor actor,
        string kind,
        string subjectId,
        long? total,
        DateTimeOffset at
    )
    {
        var id = $"{kind}-{Guid.CreateVersion7():n}";
        await connection.ExecuteAsync(
            """
            INSERT INTO operation (operation_id, kind, subject_id, actor, state, total, started_at)
            VALUES (@id, @kind, @subjectId, @actor, 'running', @total, @at)
            """,
            new
            {
                id,
                kind,
                subjectId,
                actor = actor.Id,
                total,
                at,
            }
        );
        return id;
    }

    /// <summary>Says how far it is.</summary>
    /// <param name="total">Null leaves it as it was.</param>
    public static Task AdvanceAsync(NpgsqlConnection connection, string operationId, long done, long? total = null) =>
        connection.ExecuteAsync(
            """
            UPDATE operation SET done = greatest(done, @done), total = coalesce(@total, total)
            WHERE operation_id = @operationId AND state = 'running'
            """,
            new
            {
                operationId,
                done,
                total,
            }
        );

    /// <summary>Ends it well.</summary>
    /// <param name="result">Serialised as JSON.</param>
    public static Task SucceedAsync(
        NpgsqlConnection connection,
        string operationId,
        object result,
        DateTimeOffset at
    ) => FinishAsync(connection, operationId, "succeeded", result, at);

    /// <summary>Ends it with a failure.</summary>
    public static Task FailAsync(NpgsqlConnection connection, string operationId, Error error, DateTimeOffset at) =>
        FinishAsync(connection, operationId, "failed", new OperationFailure(error.Type, error.Detail), at);

    private static Task<int> FinishAsync(
        NpgsqlConnection connection,
        string operationId,
        string state,
        object result,
        DateTimeOffset at
    ) =>
        connection.ExecuteAsync(
            """
            UPDATE operation SET state = @state, done = CASE @state WHEN 'succeeded' THEN coalesce(total, done) ELSE done END,
                result = @result::jsonb, finished_at = @at
            WHERE operation_id = @operationId AND state = 'running'
            """,
            new
            {
                operationId,
                state,
                result = JsonSerializer.Serialize(result, ProductJson.Options),
                at,
            }
        );

    private sealed class Row
    {
        public string OperationId { get; init; } = "";
        public string Kind { get; init; } = "";
        public string SubjectId { get; init; } = "";
        public string Actor { get; init; } = "";
        public string State { get; init; } = "";
        public long Done { get; init; }
        public long? Total { get; init; }
        public string? Result { get; init; }
        public DateTimeOffset StartedAt { get; init; }
        public DateTimeOffset? FinishedAt { get; init; }

        public Operation Show()
        {
            var state = Enum.Parse<OperationState>(State, ignoreCase: true);
            return new(OperationId, Kind, SubjectId, Actor, state, Done, StartedAt)
            {
                Total = Total,
                Result = state == OperationState.Succeeded ? JsonElement.Parse(Result!) : null,
                Failure =
                    state == OperationState.Failed
                        ? JsonSerializer.Deserialize<OperationFailure>(Result!, ProductJson.Options)
                        : null,
                FinishedAt = FinishedAt,
            };
        }
    }
}

/// <summary>The door to operations.</summary>
public static class OperationsModule
{
    public static IServiceCollection AddOperations(this IServiceCollection services) =>
        services.AddSingleton<OperationLog>();
}
