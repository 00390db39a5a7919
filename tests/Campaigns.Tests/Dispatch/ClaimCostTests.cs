using Campaigns.Channels;
using Campaigns.Dispatch;
using Dapper;
using Npgsql;

namespace Campaigns.Tests.Dispatch;

/// <summary>What a claim costs does not grow with the wave.</summary>
public sealed class ClaimCostTests
{
    private const int Chunks = 3_000;
    private const int Claims = 20;

    [Fact]
    public async Task A_claim_reads_the_next_chunk_and_not_all_that_wait_with_it()
    {
        await using var given = await GivenRun.CreateAsync(customers: 1);
        var run = await given.RunAsync(new RunSpec { Customers = [1] });
        await given.ExecuteAsync(
            """
            INSERT INTO chunk (run_key, chunk, wave, channel, variant, low_key, high_key, touches, due_at)
            SELECT c.run_key, c.chunk + i, c.wave, c.channel, c.variant, 2, 2, 1, c.due_at
            FROM chunk c, generate_series(1, @more) i
            WHERE c.run_key = @run;
            ANALYZE chunk
            """,
            new { run, more = Chunks - 1 }
        );
        await using var one = given.OneSession();
        await using var node = new Node(one, [new ScriptedGateway(Channel.Sms)]);
        var queue = node.Get<ChunkQueue>();
        var before = await ReadAsync(one);

        for (var number = 1; number <= Claims; number++)
        {
            Assert.Equal(number, (await queue.ClaimAsync(run, 1, "scripted-Sms", default))?.Number);
        }

        // A claim walks over those that others hold.
        Assert.InRange(await ReadAsync(one) - before, Claims, Claims * Claims * 2);
    }

    private static async Task<long> ReadAsync(NpgsqlDataSource sql)
    {
        await using var connection = await sql.OpenConnectionAsync();
        await connection.ExecuteAsync("SELECT pg_stat_force_next_flush()");
        return await connection.QuerySingleAsync<long>(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'chunk'"
        );
    }
}
