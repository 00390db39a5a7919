using System.Globalization;
using Campaigns.Channels;
using Npgsql;

namespace Campaigns.Customers.Inbox;

/// <summary>The in-app inbox: needs no provider, since the bank's own app reads it through the API. The customer herself is
/// the address, and what is stored is delivered.</summary>
internal sealed class InboxGateway(GatewaySettings settings, NpgsqlDataSource dataSource) : IGateway
{
    internal const string Name = "inbox";
    private const int MostItems = 1_000;
    private const string Unreachable = "unreachable";
    private const string Erased = "erased";

    public GatewayDeclaration Declaration { get; } =
        new()
        {
            Name = Name,
            Channel = Channel.App,
            Purposes = new HashSet<Purpose> { Purpose.Marketing, Purpose.Servicing },
            Variables = true,
            Sender = AddedBy.NotNeeded,
            Refusal = AddedBy.NotNeeded,
            NeedsAddress = false,
            MaxBatch = Math.Min(settings.MaxBatch ?? MostItems, MostItems),
            Dedupe = Dedupe.Key,
            DedupePeriod = settings.ShownFor,
        };

    public async Task<SendResult> SendAsync(SendRequest request, CancellationToken cancellationToken)
    {
        var messages = request.Items.Select(item => Fill(request, item)).ToArray();
        if (Array.TrueForAll(messages, message => message is null))
        {
            return ProviderWords.All(request, SendState.Rejected, ProviderWords.TemplateError);
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(settings.Timeout);
        NpgsqlConnection connection;
        try
        {
            connection = await dataSource.OpenConnectionAsync(deadline.Token);
        }
        catch (Exception failure) when (failure is NpgsqlException or OperationCanceledException)
        {
            return ProviderWords.All(request, SendState.Retryable, Unreachable);
        }

        await using (connection)
        {
            return await StoreAsync(connection, request, messages, deadline.Token);
        }
    }

    private async Task<SendResult> StoreAsync(
        NpgsqlConnection connection,
        SendRequest request,
        InboxEntry?[] messages,
        CancellationToken deadline
    )
    {
        try
        {
            var stored = await InboxMessages.StoreAsync(
                connection,
                request.Purpose,
                [.. messages.OfType<InboxEntry>()],
                settings.ShownFor,
                deadline
            );
            return new SendResult.Answered([.. messages.Select(message => Result(message, stored))]);
        }
        catch (OperationCanceledException)
        {
            return new SendResult.Unanswered("the database did not answer in time");
        }
        catch (NpgsqlException failure)
        {
            return new SendResult.Unanswered($"the database failed ({failure.SqlState ?? "no answer"})");
        }
    }

    private static InboxEntry? Fill(SendRequest request, SendItem item)
    {
        var content = request.Content;
        var text = ProviderWords.Fill(content.Text, item.Variables);
        var title = content.Title is { } given ? ProviderWords.Fill(given, item.Variables) : null;
        return text is null || title is null && content.Title is not null
            ? null
            : new InboxEntry(
                long.Parse(item.Address, CultureInfo.InvariantCulture),
                item.TouchKey,
                title,
                text,
                content.Link
            );
    }

    private static ItemResult Result(InboxEntry? message, HashSet<long> stored) =>
        message is null ? new(SendState.Rejected, ProviderWords.TemplateError, null)
        : stored.Contains(message.CustomerKey) ? new(SendState.Delivered, null, null)
        : new(SendState.Rejected, Erased, null);
}
