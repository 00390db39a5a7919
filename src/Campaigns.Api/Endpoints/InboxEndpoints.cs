using System.Globalization;
using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Customers.Inbox;
using Campaigns.Outcomes;
using Campaigns.Results;

namespace Campaigns.Api.Endpoints;

/// <summary>One page of a customer's inbox.</summary>
/// <param name="Items">Newest first.</param>
/// <param name="Unread">How many messages of the whole inbox bear no mark.</param>
/// <param name="Next">The cursor of the next page; null on the last.</param>
public sealed record InboxPage(IReadOnlyList<InboxMessage> Items, int Unread, string? Next = null);

/// <summary>What the customer did with a message.</summary>
public sealed record InboxMarkItem
{
    /// <summary>As the inbox gave it.</summary>
    public required string MessageId { get; init; }
    public required InboxMarkKind Mark { get; init; }

    /// <summary>When, by the app; at most five minutes from now.</summary>
    public required DateTimeOffset At { get; init; }

    internal InboxMark Entry => new(MessageId, Mark, At);
}

/// <summary>Up to 1,000 marks.</summary>
public sealed record InboxMarksBody
{
    public required IReadOnlyList<InboxMarkItem> Marks { get; init; }
}

internal static class InboxEndpoints
{
    internal static void MapInbox(this IEndpointRouteBuilder app)
    {
        var inbox = app.MapGroup("/customers/{id}/inbox").WithTags("Inbox").RequireRole(Role.Backend);

        inbox
            .MapGet(
                "",
                async (string id, Paging paging, Inboxes module, CancellationToken cancellationToken) =>
                    (await ListAsync(id, paging, module, cancellationToken)).ToHttp()
            )
            .WithName("getInbox")
            .WithSummary("A customer's inbox, newest first")
            .WithDescription(
                "What the bank's own app shows. Left out are messages that have expired, and unread ones that may no "
                    + "longer be sent: of a cancelled campaign, or marketing to a customer who has refused since."
            );

        inbox
            .MapPost(
                "/marks",
                async (
                    string id,
                    InboxMarksBody body,
                    Actor actor,
                    Inboxes module,
                    CancellationToken cancellationToken
                ) =>
                    BatchAnswer
                        .Of(
                            await module.MarkAsync(
                                actor,
                                id,
                                [.. body.Marks.Select(item => item.Entry)],
                                cancellationToken
                            ),
                            "marks"
                        )
                        .ToHttp()
            )
            .WithName("markInbox")
            .WithSummary("Mark up to 1,000 messages shown, clicked or dismissed")
            .WithDescription(
                "Each for itself, in any order; a mark that a message bears already changes nothing. A mark is an "
                    + "engagement with the message's campaign as well: shown counts as opened."
            );
    }

    private static async Task<Result<InboxPage>> ListAsync(
        string id,
        Paging paging,
        Inboxes module,
        CancellationToken cancellationToken
    )
    {
        long? before = paging.After is { } after ? long.Parse(after, CultureInfo.InvariantCulture) : null;
        var listed = await module.ListAsync(id, before, paging.Limit + 1, cancellationToken);
        if (!listed.TryGet(out var list, out var error))
        {
            return error;
        }

        var page = paging.Page(list.Messages, message => message.Id);
        return new InboxPage(page.Items, list.Unread, page.Next);
    }
}
