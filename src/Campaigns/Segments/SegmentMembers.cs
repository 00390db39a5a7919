using Campaigns.Database;
using Campaigns.Results;
using NodaTime;
using Npgsql;
using NpgsqlTypes;

namespace Campaigns.Segments;

/// <summary>How many customers a segment has.</summary>
/// <param name="AsOf">The instant it was asked for. Attributes, tags and lists are those of now; events those up to then.
/// </param>
public sealed record SegmentCount(string SegmentId, int Version, DateTimeOffset AsOf, long Count);

/// <summary>Some members of a segment.</summary>
/// <param name="CustomerIds">The bank's own ids, in the order in which the customers became known.</param>
public sealed record SegmentSample(
    string SegmentId,
    int Version,
    DateTimeOffset AsOf,
    IReadOnlyList<string> CustomerIds
);

/// <summary>Who is in a segment, how many they are, and why somebody is in or out.</summary>
public sealed partial class SegmentMembers(NpgsqlDataSource dataSource, SegmentOptions options)
{
    /// <summary>Keys asked for in one statement: its hashed sub-selects fit in <c>work_mem</c>.</summary>
    private const long KeysPerPart = 100_000;

    // PostgreSQL carries no range from one side of a join to the other: without the second, each part reads all contacts.
    private const string Part = """
        FROM customer c JOIN contact k USING (customer_key)
        WHERE c.customer_key >= @low AND c.customer_key < @high AND k.customer_key >= @low AND k.customer_key < @high
        """;

    private readonly DateTimeZone _zone = options.DateTimeZone;

    /// <summary>Counts the members.</summary>
    /// <param name="version">Null for the newest.</param>
    /// <param name="asOf">Null for the present business time.</param>
    /// <returns>404; 422 <c>stale-segment</c>.</returns>
    public async Task<Result<SegmentCount>> CountAsync(
        string segmentId,
        int? version,
        DateTimeOffset? asOf,
        CancellationToken cancellationToken
    )
    {
        await using var reading = await Reading.BeginAsync(dataSource, asOf, cancellationToken);
        var compiled = await CompileAsync(reading, segmentId, version, cancellationToken);
        if (!compiled.TryGet(out var rule, out var error))
        {
            return error;
        }

        var count = 0L;
        await foreach (var (low, high) in reading.PartsAsync(cancellationToken))
        {
            await using var command = reading.Command(
                $"""
                SELECT count(*) {Part} AND {rule.Condition}
                """,
                rule.Parameters,
                low,
                high
            );
            count += (long)(await command.ExecuteScalarAsync(cancellationToken))!;
        }

        return new SegmentCount(segmentId, NewestOf(rule, segmentId), reading.AsOf, count);
    }

    /// <summary>The first members by age of their records.</summary>
    /// <param name="limit">1 to 1,000.</param>
    /// <inheritdoc cref="CountAsync"/>
    public async Task<Result<SegmentSample>> SampleAsync(
        string segmentId,
        int? version,
        DateTimeOffset? asOf,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var reading = await Reading.BeginAsync(dataSource, asOf, cancellationToken);
        var compiled = await CompileAsync(reading, segmentId, version, cancellationToken);
        if (!compiled.TryGet(out var rule, out var error))
        {
            return error;
        }

        var ids = new List<string>();
        await foreach (var (low, high) in reading.PartsAsync(cancellationToken))
        {
            await using var command = reading.Command(
                $"""
                SELECT c.customer_id {Part} AND {rule.Condition}
                ORDER BY c.customer_key LIMIT {limit - ids.Count}
                """,
                rule.Parameters,
                low,
                high
            );
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                ids.Add(reader.GetString(0));
            }

            if (ids.Count == limit)
            {
                break;
            }
        }

        return new SegmentSample(segmentId, NewestOf(rule, segmentId), reading.AsOf, ids);
    }

    private async Task<Result<CompiledRule>> CompileAsync(
        Reading reading,
        string segmentId,
        int? version,
        CancellationToken cancellationToken
    )
    {
        var closure = await ClosureAsync(reading.Connection, segmentId, version, cancellationToken);
        return closure.TryGet(out var found, out var error) ? SegmentCompilation.Compile(found, "rule", _zone) : error;
    }

    private static async Task<Result<SegmentClosure>> ClosureAsync(
        NpgsqlConnection connection,
        string segmentId,
        int? version,
        CancellationToken cancellationToken
    )
    {
        var read = await SegmentClosure.ReadAsync(connection, [new(segmentId, version)], cancellationToken);
        return read.Error?.Type == "unknown-segment" ? Error.NotFound("segment", segmentId) : read;
    }

    private static int NewestOf(CompiledRule rule, string segmentId) =>
        rule.Segments.First(segment => segment.SegmentId == segmentId).Version!.Value;

    /// <summary>One snapshot, read part after part.</summary>
    private sealed class Reading : IAsyncDisposable
    {
        private readonly NpgsqlTransaction _transaction;

        private Reading(NpgsqlConnection connection, NpgsqlTransaction transaction, DateTimeOffset asOf) =>
            (Connection, _transaction, AsOf) = (connection, transaction, asOf);

        public NpgsqlConnection Connection { get; }
        public DateTimeOffset AsOf { get; }

        public static async Task<Reading> BeginAsync(
            NpgsqlDataSource dataSource,
            DateTimeOffset? asOf,
            CancellationToken cancellationToken
        )
        {
            var connection = await dataSource.OpenConnectionAsync(cancellationToken);
            var now = asOf ?? await BusinessClock.NowAsync(connection);
            var transaction = await connection.BeginTransactionAsync(
                System.Data.IsolationLevel.RepeatableRead,
                cancellationToken
            );
            // A plan for any range of keys at all would hash nothing.
            await using var settings = new NpgsqlCommand(
                "SET LOCAL work_mem = '64MB'; SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL jit = off",
                connection,
                transaction
            );
            await settings.ExecuteNonQueryAsync(cancellationToken);
            return new Reading(connection, transaction, now);
        }

        public async IAsyncEnumerable<(long Low, long High)> PartsAsync(
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken
        )
        {
            await using var command = new NpgsqlCommand(
                "SELECT coalesce(min(customer_key), 0), coalesce(max(customer_key), -1) + 1 FROM customer",
                Connection,
                _transaction
            );
            var (low, end) = (0L, 0L);
            await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
            {
                await reader.ReadAsync(cancellationToken);
                (low, end) = (reader.GetInt64(0), reader.GetInt64(1));
            }

            for (; low < end; low += KeysPerPart)
            {
                yield return (low, Math.Min(low + KeysPerPart, end));
            }
        }

        public NpgsqlCommand Command(string sql, IReadOnlyList<RuleParameter> parameters, long low, long high)
        {
            var command = new NpgsqlCommand(sql, Connection, _transaction);
            command.Parameters.Add(new NpgsqlParameter("as_of", NpgsqlDbType.TimestampTz) { Value = AsOf.UtcDateTime });
            command.Parameters.Add(new NpgsqlParameter("low", NpgsqlDbType.Bigint) { Value = low });
            command.Parameters.Add(new NpgsqlParameter("high", NpgsqlDbType.Bigint) { Value = high });
            foreach (var parameter in parameters)
            {
                command.Parameters.Add(parameter.Bind(AsOf));
            }

            return command;
        }

        public async ValueTask DisposeAsync()
        {
            await _transaction.DisposeAsync();
            await Connection.DisposeAsync();
        }
    }
}
