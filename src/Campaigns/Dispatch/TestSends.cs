using System.Globalization;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Sends templates to testers by the channel's own gateway, at its pace, with nothing added that a customer would
/// not see.</summary>
/// <remarks>It is no way round anything: it reaches testers only, whose list the marketer does not keep; consent, refusal,
/// quiet hours and the wording rules hold as for any message; stops and breaks of the channel hold; and a day has room for
/// few. It counts for no cap and no report.</remarks>
public sealed class TestSends
{
    private static readonly TimeSpan AtMost = TimeSpan.FromSeconds(30);
    private readonly NpgsqlDataSource _dataSource;
    private readonly CustomerRegister _customers;
    private readonly Templates _templates;
    private readonly AddressVault _vault;
    private readonly ChannelLines _lines;
    private readonly ChannelStates _channels;
    private readonly DispatchOptions _options;

    internal TestSends(
        NpgsqlDataSource dataSource,
        CustomerRegister customers,
        Templates templates,
        AddressVault vault,
        ChannelLines lines,
        ChannelStates channels,
        DispatchOptions options
    ) =>
        (_dataSource, _customers, _templates, _vault, _lines, _channels, _options) = (
            dataSource,
            customers,
            templates,
            vault,
            lines,
            channels,
            options
        );

    /// <summary>Sends a template to testers, and returns when the provider has answered. It is recorded before, so a node
    /// that dies leaves what it may have sent as <see cref="TestState.Unknown"/>; nothing is tried again.</summary>
    /// <returns>400 for none, too many or the same tester twice; 404 for the template; 409 <c>channel-held</c>; 422
    /// <c>not-a-tester</c>, <c>too-few-testers</c>, <c>not-testable</c>, and what makes the template unfit to be saved now; 429
    /// <c>rate-limited</c>; 503 <c>channel-resting</c>.</returns>
    public async Task<Result<TestSend>> SendAsync(
        string templateId,
        TestSendRequest request,
        Actor actor,
        CancellationToken cancellationToken
    )
    {
        if (TestFaults.OfList(request.Testers) is { } fault)
        {
            return fault;
        }

        // Before the connection: whoever holds one must not wait for another.
        var customers = await CustomersAsync(request.Testers, cancellationToken);
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        var prepared = await PrepareAsync(connection, templateId, request, customers);
        if (!prepared.TryGet(out var test, out var error))
        {
            return error;
        }

        var gateway = test.Gateway.Declaration;
        var begun = await TestSendLog.BeginAsync(
            connection,
            test.Template,
            gateway.Name,
            test.Items,
            actor,
            _options.TestsPerDay
        );
        if (!begun.TryGet(out var number, out error))
        {
            return error;
        }

        await connection.CloseAsync();
        foreach (var items in test.Items.Where(item => item.Withheld is null).Chunk(gateway.MaxBatch))
        {
            await SendAsync(test, number, items);
        }

        return await GetAsync(number, CancellationToken.None);
    }

    private sealed record Prepared(
        Template Template,
        ChannelLine Line,
        IGateway Gateway,
        IReadOnlyList<TestItem> Items
    );

    private async Task<Result<Prepared>> PrepareAsync(
        NpgsqlConnection connection,
        string templateId,
        TestSendRequest request,
        Dictionary<string, Customer> customers
    )
    {
        if (await Templates.FindAsync(connection, templateId, request.Version) is not { } template)
        {
            return Error.NotFound("template", templateId);
        }

        var draft = template.Content;
        var addresses = await AddressesAsync(connection, request.Testers, draft.Channel);
        var now = await BusinessClock.NowAsync(connection);
        if (
            (
                TestFaults.Strangers(request.Testers, addresses, customers)
                ?? await _templates.CheckAsync(connection, templateId, draft)
                ?? await HoldAsync(connection, draft, now)
            ) is
            { } fault
        )
        {
            return fault;
        }

        var line = _lines.Of(draft.Channel, draft.Purpose);
        var gateway = line.Gateway!;
        var hours = (await ContactPolicies.CurrentAsync(connection)).Policy.Hours;
        var desk = new TestDesk(draft, gateway.Declaration, await Fields.LoadAsync(connection), hours, now);
        var items = request
            .Testers.Select((id, place) => desk.Item((short)place, customers[id], addresses[id], _vault))
            .ToList();
        return
            (TestFaults.NotTestable(gateway.Declaration) ?? TestFaults.TooFew(items, gateway.Declaration)) is { } unfit
            ? unfit
            : new Prepared(template, line, gateway, items);
    }

    /// <summary>A test as it stands now, with what receipts have said since; 404.</summary>
    public async Task<Result<TestSend>> GetAsync(int number, CancellationToken cancellationToken)
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        return await TestSendLog.FindAsync(connection, number, _vault) is { } send
            ? send
            : Error.NotFound("test send", number.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Whoever asked may have gone: what is begun is sent and recorded.</summary>
    private async Task SendAsync(Prepared test, int number, TestItem[] items)
    {
        var (line, gateway, draft) = (test.Line, test.Gateway, test.Template.Content);
        using var deadline = new CancellationTokenSource(AtMost);
        var (key, reply) = await TestAnswers.KeyAsync(line, gateway, number, items[0].Place, deadline.Token);
        if (key is not null)
        {
            await using (var connection = await _dataSource.OpenConnectionAsync(CancellationToken.None))
            {
                await TestSendLog.NameAsync(connection, number, key, items);
            }

            var content = new MessageContent(draft.Title, draft.Text, draft.ProviderTemplate, draft.Sender, draft.Link);
            var request = new SendRequest(
                key,
                draft.Purpose,
                content,
                [
                    .. items.Select(item => new SendItem(
                        TouchKey.OfTest(number, item.CustomerKey),
                        item.Address,
                        item.Values
                    )),
                ]
            );
            reply = await line.SendAsync(gateway, request, deadline.Token);
        }

        await using var after = await _dataSource.OpenConnectionAsync(CancellationToken.None);
        await using var transaction = await after.BeginTransactionAsync(CancellationToken.None);
        await TestSendLog.AnsweredAsync(after, number, items, [.. items.Select((_, i) => TestAnswers.Of(reply, i))]);
        await ChannelStates.NoteAsync(after, gateway.Declaration, reply, await BusinessClock.NowAsync(after));
        await transaction.CommitAsync(CancellationToken.None);
    }

    private async Task<Error?> HoldAsync(NpgsqlConnection connection, TemplateDraft draft, DateTimeOffset now)
    {
        var channel = (await _channels.ReadAsync(connection)).Single(one => one.Channel == draft.Channel);
        if (channel.HeldBecause(draft.Purpose) is not { } because)
        {
            return null;
        }

        var gateway = channel.Gateways.FirstOrDefault(one => one.Purposes.Contains(draft.Purpose));
        return !channel.Stopped && gateway is { Stopped: false }
            ? new Error(ErrorKind.Unavailable, "channel-resting", because)
            {
                RetryAfter = (gateway.RestsUntil ?? gateway.BrokenUntil) - now,
            }
            : new Error(ErrorKind.Conflict, "channel-held", because);
    }

    private async Task<Dictionary<string, Customer>> CustomersAsync(
        IReadOnlyList<string> ids,
        CancellationToken cancellationToken
    )
    {
        var customers = new Dictionary<string, Customer>();
        foreach (var id in ids)
        {
            if ((await _customers.GetAsync(id, cancellationToken)).TryGet(out var customer, out _))
            {
                customers[id] = customer;
            }
        }

        return customers;
    }

    private static async Task<Dictionary<string, TesterAddress>> AddressesAsync(
        NpgsqlConnection connection,
        IReadOnlyList<string> ids,
        Channel channel
    )
    {
        var rows = await connection.QueryAsync<TesterAddress>(
            """
            SELECT c.customer_id, c.customer_key, a.key_id, a.ciphertext
            FROM tester t
            JOIN customer c USING (customer_key)
            LEFT JOIN address a ON a.customer_key = c.customer_key AND a.channel = @channel
            WHERE c.customer_id = ANY (@ids) AND NOT c.erased
            """,
            new { ids = ids.ToArray(), channel = (short)channel }
        );
        return rows.ToDictionary(row => row.CustomerId);
    }
}
