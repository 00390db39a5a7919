using Campaigns.Access;
using Campaigns.Api.Endpoints;
using Campaigns.Channels;
using Campaigns.Customers.Inbox;
using Campaigns.Outcomes;
using Campaigns.Tests.Dispatch;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Outcomes;

/// <summary>Customers <c>c1</c>, <c>c2</c>, …; a node that sends to their inboxes, and one that answers for them.</summary>
internal sealed class GivenInbox : IAsyncDisposable
{
    private GivenInbox(GivenRun given, Node node, ApiHost api) => (Given, Node, Api) = (given, node, api);

    internal GivenRun Given { get; }
    internal Node Node { get; }
    internal ApiHost Api { get; }

    internal static async Task<GivenInbox> CreateAsync(int customers = 3)
    {
        var given = await GivenRun.CreateAsync(customers);
        var gateway = new InboxGateway(new GatewaySettings(), given.DataSource);
        return new GivenInbox(given, new Node(given.DataSource, [gateway]), await ApiHost.StartAsync(given.Database));
    }

    /// <summary>A campaign's messages to all customers, or to those the spec names.</summary>
    /// <returns>The run.</returns>
    internal async Task<int> SendAsync(RunSpec? spec = null)
    {
        var run = await Given.RunAsync(
            (spec ?? new RunSpec { Customers = [1, 2, 3] }) with
            {
                Channels = [Channel.App],
            }
        );
        await Node.LaneAsync(run);
        return run;
    }

    internal Task<InboxPage> ListAsync(string customer, string query = "") =>
        Api.As(Role.Backend).GetAsync($"/v1/customers/{customer}/inbox{query}").ReadAsync<InboxPage>();

    internal async Task<InboxMessage> OnlyAsync(string customer) => Assert.Single((await ListAsync(customer)).Items);

    internal Task<HttpResponseMessage> PostAsync(string customer, params InboxMarkItem[] marks) =>
        Api.As(Role.Backend).PostAsync($"/v1/customers/{customer}/inbox/marks", new InboxMarksBody { Marks = marks });

    internal Task<BatchAnswer> MarkAsync(string customer, params InboxMarkItem[] marks) =>
        PostAsync(customer, marks).ReadAsync<BatchAnswer>();

    internal static InboxMarkItem Mark(string message, InboxMarkKind mark, DateTimeOffset? at = null) =>
        new()
        {
            MessageId = message,
            Mark = mark,
            At = at ?? DateTimeOffset.UtcNow,
        };

    /// <summary>Engagements of a run, as <c>c1 clicked, c1 opened</c>.</summary>
    internal async Task<string> EngagementsAsync(int run)
    {
        await using var connection = await Given.DataSource.OpenConnectionAsync();
        var rows = await connection.QueryAsync<string>(
            """
            SELECT customer_id || ' ' || kind
            FROM engagement JOIN customer USING (customer_key)
            WHERE run_key = @run
            ORDER BY 1
            """,
            new { run }
        );
        return string.Join(", ", rows);
    }

    public async ValueTask DisposeAsync()
    {
        await Api.DisposeAsync();
        await Node.DisposeAsync();
        await Given.DisposeAsync();
    }
}
