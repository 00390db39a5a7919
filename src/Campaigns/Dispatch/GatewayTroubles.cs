using System.Collections.Concurrent;
using Campaigns.Channels;
using Campaigns.Database;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Notes what goes wrong with a gateway, for people to read on any node. It decides nothing; where the database
/// fails it stays unsaid.</summary>
internal sealed class GatewayTroubles(NpgsqlDataSource dataSource, string gateway, TimeProvider time)
{
    /// <summary>Of one code no more than one note in this time is written.</summary>
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<string, long> _noted = new();

    /// <summary>Notes what is wrong with an answer, if anything is.</summary>
    internal async Task NoteAsync(SendResult result)
    {
        foreach (var (code, detail) in Of(result))
        {
            if (_noted.TryGetValue(code, out var last) && time.GetElapsedTime(last) < Every)
            {
                continue;
            }

            _noted[code] = time.GetTimestamp();
            await SayAsync(
                """
                INSERT INTO gateway_error AS e (gateway, code, detail, at)
                VALUES (@gateway, @code, @detail, clock_timestamp())
                ON CONFLICT (gateway, code) DO UPDATE
                SET detail = excluded.detail, at = greatest(e.at, excluded.at)
                """,
                new
                {
                    gateway,
                    code,
                    detail,
                }
            );
        }
    }

    /// <summary>Notes that nothing is sent for so long; zero takes it back.</summary>
    internal Task NoteBreakAsync(TimeSpan lasts) =>
        SayAsync(
            """
            INSERT INTO gateway_break AS b (gateway, until) VALUES (@gateway, clock_timestamp() + @lasts)
            ON CONFLICT (gateway) DO UPDATE SET until = excluded.until
            """,
            new { gateway, lasts }
        );

    /// <summary>What an answer says that is amiss, by code.</summary>
    internal static IEnumerable<(string Code, string Detail)> Of(SendResult result) =>
        result switch
        {
            SendResult.Unanswered unanswered => [("unanswered", unanswered.Reason)],
            SendResult.Throttled throttled =>
            [
                ("throttled", $"too fast: the provider asked for a rest of {throttled.RetryAfter.TotalSeconds:0} s"),
            ],
            SendResult.ChannelStopped stopped => [(stopped.Code, stopped.Reason)],
            SendResult.Spoiled spoiled => [(spoiled.Code, "one message spoiled its request")],
            SendResult.Answered answered => answered
                .Items.Where(item => item.State is SendState.Rejected or SendState.Retryable)
                .Select(item => (item.Code ?? "refused", Words(item.State)))
                .Distinct(),
            _ => [],
        };

    private static string Words(SendState state) =>
        state == SendState.Rejected ? "refused for good: another try would be too" : "refused for now";

    private async Task SayAsync(string sql, object what)
    {
        try
        {
            await using var connection = await dataSource.OpenConnectionAsync();
            await connection.ExecuteAsync(sql, what);
        }
        catch (Exception failure) when (Transient.Is(failure))
        {
            // What was sent is recorded elsewhere.
        }
    }
}
