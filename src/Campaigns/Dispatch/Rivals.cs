using System.Collections.Concurrent;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Json;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Touches of campaigns with a higher priority that contest a customer's places under the caps: while they may
/// still go, the lower leaves them their places and waits.</summary>
internal sealed class Rivals(TimeProvider time)
{
    private static readonly TimeSpan KnownFor = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<int, (long ReadAt, int[] Open, int[] Recent)> _known = new();

    /// <summary>How many touches of higher campaigns wait for each of the customers, within the days that the caps look at;
    /// who has none is left out.</summary>
    internal async Task<Dictionary<long, int>> WaitingAsync(
        NpgsqlConnection connection,
        WaveContext wave,
        ContactLimits limits,
        long[] keys,
        DateTimeOffset now
    )
    {
        var (open, _) = await AboveAsync(connection, wave);
        if (open.Length == 0 || !limits.Any)
        {
            return [];
        }

        var range = new KeyRange(keys);
        await using var command = new NpgsqlCommand(
            $"""
            SELECT d.customer_key, count(*)::int
            FROM decision d
            JOIN wave w ON w.run_key = d.run_key AND w.wave = d.wave
            WHERE d.run_key = ANY (@open) AND {range.Exactly("d.customer_key")} AND d.step = 1 AND d.reason = 0
              AND w.opens_at < @until
              AND EXISTS (
                  SELECT
                  FROM chunk c
                  WHERE c.run_key = d.run_key AND c.state = 0
                    AND (c.members IS NULL AND c.wave = d.wave AND c.variant = d.variant
                         AND d.customer_key BETWEEN c.low_key AND c.high_key
                         OR d.customer_key = ANY (c.members))
                    AND NOT EXISTS (
                        SELECT
                        FROM attempt a
                        WHERE a.run_key = c.run_key AND a.chunk = c.chunk
                          AND (d.customer_key = ANY (a.customer_keys) OR d.customer_key = ANY (a.withheld_keys))
                    )
              )
            GROUP BY 1
            """,
            connection
        );
        range.Bind(command.Parameters);
        command.Parameters.AddWithValue("open", open);
        command.Parameters.AddWithValue(
            "until",
            (now + (limits.LooksAWeek ? TimeSpan.FromDays(7) : TimeSpan.FromDays(1))).UtcDateTime
        );
        await using var reader = await command.ExecuteReaderAsync();
        var waiting = new Dictionary<long, int>();
        while (await reader.ReadAsync())
        {
            waiting[reader.GetInt64(0)] = reader.GetInt32(1);
        }

        return waiting;
    }

    /// <summary>Of customers whom a cap refuses, those to whom a higher campaign has sent within the caps' days.</summary>
    internal async Task<HashSet<long>> SentAsync(NpgsqlConnection connection, WaveContext wave, long[] keys)
    {
        var (_, recent) = await AboveAsync(connection, wave);
        if (recent.Length == 0 || keys.Length == 0)
        {
            return [];
        }

        var rows = await connection.QueryAsync<long>(
            """
            WITH place AS (
                SELECT c.run_key, c.chunk, d.customer_key
                FROM decision d
                JOIN chunk c ON c.run_key = d.run_key AND c.members IS NULL AND c.wave = d.wave AND c.variant = d.variant
                            AND d.customer_key BETWEEN c.low_key AND c.high_key
                WHERE d.run_key = ANY (@recent) AND d.customer_key = ANY (@keys) AND d.step = 1 AND d.reason = 0
                UNION ALL
                SELECT c.run_key, c.chunk, m.customer_key
                FROM chunk c
                CROSS JOIN LATERAL unnest(c.members) AS m (customer_key)
                WHERE c.run_key = ANY (@recent) AND c.members && @keys AND m.customer_key = ANY (@keys)
            )
            SELECT DISTINCT p.customer_key
            FROM place p
            JOIN attempt a ON a.run_key = p.run_key AND a.chunk = p.chunk AND p.customer_key = ANY (a.customer_keys)
            """,
            new { recent, keys }
        );
        return [.. rows];
    }

    /// <summary>Runs of marketing campaigns with a higher priority: those that may still send, and those that may have sent
    /// within a week.</summary>
    private async Task<(int[] Open, int[] Recent)> AboveAsync(NpgsqlConnection connection, WaveContext wave)
    {
        if (_known.TryGetValue(wave.Plan.Priority, out var known) && time.GetElapsedTime(known.ReadAt) < KnownFor)
        {
            return (known.Open, known.Recent);
        }

        var readAt = time.GetTimestamp();
        var runs = (
            await connection.QueryAsync<(int RunKey, bool Open)>(
                """
                SELECT r.run_key, r.state = 'planned' AND p.state IN ('running', 'paused')
                FROM run r
                JOIN campaign p USING (campaign_key)
                CROSS JOIN business_clock b
                WHERE (r.plan ->> 'priority')::int > @Priority AND r.plan ->> 'purpose' = @marketing
                  AND (r.state = 'planned'
                       OR r.closed_at > clock_timestamp() + b.clock_offset - interval '7 days')
                """,
                new { wave.Plan.Priority, marketing = ProductJson.NameOf(Purpose.Marketing) }
            )
        ).ToList();
        int[] open = [.. runs.Where(run => run.Open).Select(run => run.RunKey)];
        int[] recent = [.. runs.Select(run => run.RunKey)];
        _known[wave.Plan.Priority] = (readAt, open, recent);
        return (open, recent);
    }
}
