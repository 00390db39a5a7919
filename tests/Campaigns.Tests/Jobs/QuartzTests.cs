using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Jobs;

public sealed class QuartzAskingTests() : JobEngineAsking(new QuartzTables());

public sealed class QuartzFaultTests() : JobEngineFaults(new QuartzTables());

internal sealed class QuartzTables : EngineTables
{
    public override string Engine => "Quartz";

    public override string Schema => "quartz";

    public override async Task<DateTimeOffset?> NextOfAsync(TestDatabase database, string jobId)
    {
        await using var connection = await database.DataSource.OpenConnectionAsync();
        var ticks = await connection.QuerySingleOrDefaultAsync<long?>(
            "SELECT next_fire_time FROM quartz.qrtz_triggers WHERE trigger_name = @jobId",
            new { jobId }
        );
        return ticks is { } known ? new DateTimeOffset(known, TimeSpan.Zero) : null;
    }

    public override async Task<bool> ShowsAsync(TestDatabase database, string title)
    {
        await using var connection = await database.DataSource.OpenConnectionAsync();
        return await connection.ExecuteScalarAsync<bool>(
            "SELECT EXISTS (SELECT FROM quartz.qrtz_triggers WHERE description = @title)",
            new { title }
        );
    }
}
