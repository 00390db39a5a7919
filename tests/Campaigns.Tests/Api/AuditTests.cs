using Campaigns.Access;
using Campaigns.Api.Edge;
using Campaigns.Audit;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Api;

public sealed class AuditTests : IAsyncLifetime
{
    private ApiHost _api = null!;
    private HttpClient _admin = null!;

    public async Task InitializeAsync()
    {
        _api = await ApiHost.StartAsync();
        _admin = _api.As(Role.Admin);
    }

    public async Task DisposeAsync() => await _api.DisposeAsync();

    [Fact]
    public async Task Every_entry_has_its_place_in_the_chain_within_a_second()
    {
        await ChangeAsync(30);
        var whole = await WholeAsync();
        Assert.True(whole.Intact);
        Assert.True(whole.Length >= 30);
    }

    [Fact]
    public async Task The_log_is_read_page_by_page_the_newest_first()
    {
        await ChangeAsync(7);
        await WholeAsync();
        var seen = new List<long>();
        string? next = null;
        do
        {
            var page = await _admin
                .GetAsync($"/v1/audit?limit=3&subjectKind=thing{(next is null ? "" : "&cursor=" + next)}")
                .ReadAsync<Page<AuditEntry>>();
            seen.AddRange(page.Items.Select(entry => entry.Position!.Value));
            next = page.Next;
        } while (next is not null);

        Assert.Equal(7, seen.Count);
        Assert.Equal(seen.OrderDescending(), seen);
    }

    [Theory]
    [InlineData("UPDATE audit SET actor = 'somebody else' WHERE subject_id = '3'", "changed")]
    [InlineData("UPDATE audit SET detail = '{\"n\": 4}' WHERE subject_id = '3'", "changed")]
    [InlineData("DELETE FROM audit WHERE subject_id = '3'", "missing")]
    [InlineData("DELETE FROM audit_link USING audit WHERE audit.seq = audit_link.seq AND subject_id = '3'", "missing")]
    [InlineData(
        "INSERT INTO audit (at, actor, action, subject_kind, subject_id) VALUES (now(), 'x', 'approved', 'thing', '9')",
        "not in the chain"
    )]
    public async Task A_log_that_was_tampered_with_is_found_out(string tampering, string detail)
    {
        await ChangeAsync(5);
        await WholeAsync();
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(tampering);

        var found = await _admin.GetAsync("/v1/audit/verification").ReadAsync<AuditVerification>();
        Assert.False(found.Intact);
        Assert.Contains(found.Faults, fault => fault.Detail == detail);
    }

    [Fact]
    public async Task What_commits_late_is_chained_all_the_same_and_what_is_rolled_back_is_not()
    {
        await using var late = await _api.Database.DataSource.OpenConnectionAsync();
        await using var transaction = await late.BeginTransactionAsync();
        await WriteAsync(late, "late");
        await using (var never = await _api.Database.DataSource.OpenConnectionAsync())
        {
            await using var undone = await never.BeginTransactionAsync();
            await WriteAsync(never, "undone");
        }

        await ChangeAsync(3);
        var before = await WholeAsync();
        await transaction.CommitAsync();
        var after = await WholeAsync(longerThan: before.Length);
        Assert.Equal(before.Length + 1, after.Length);
        Assert.True(after.Intact);
    }

    [Fact]
    public async Task Two_nodes_make_one_chain()
    {
        await using var other = await ApiHost.StartAsync(_api.Database);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => ChangeAsync(25)));
        var whole = await WholeAsync();
        Assert.True(whole.Intact);
        Assert.True(whole.Length >= 200);
    }

    [Fact]
    public async Task The_log_is_an_administrators_to_read() =>
        await _api.As(Role.Operator).GetAsync("/v1/audit").RefusedAsync(403, "forbidden");

    private async Task ChangeAsync(int times)
    {
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        for (var i = 0; i < times; i++)
        {
            await WriteAsync(connection, $"{i}");
        }
    }

    private static Task WriteAsync(Npgsql.NpgsqlConnection connection, string subjectId) =>
        AuditLog.WriteAsync(
            connection,
            DateTimeOffset.UnixEpoch,
            Actor.Service,
            "changed",
            "thing",
            subjectId,
            new { n = 1 }
        );

    private Task<AuditVerification> WholeAsync(long longerThan = 0) =>
        Eventually.BeAsync(
            () => _admin.GetAsync("/v1/audit/verification").ReadAsync<AuditVerification>(),
            verification => verification.Waiting == 0 && verification.Length > longerThan,
            "every entry has its place"
        );
}
