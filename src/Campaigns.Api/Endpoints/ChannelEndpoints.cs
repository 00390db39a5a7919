using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Results;

namespace Campaigns.Api.Endpoints;

/// <summary>All channels.</summary>
public sealed record ChannelList(IReadOnlyList<ChannelStatus> Items);

/// <summary>Why a channel is stopped.</summary>
public sealed record StopChannelRequest
{
    /// <summary>In words, for other operators; 1 to 200 characters.</summary>
    public required string Reason { get; init; }
}

internal static class ChannelEndpoints
{
    private const int LongestReason = 200;

    internal static void MapChannels(this IEndpointRouteBuilder app)
    {
        var channels = app.MapGroup("/channels").WithTags("Channels");

        channels
            .MapGet(
                "",
                async (ChannelStates module, CancellationToken cancellationToken) =>
                    new ChannelList(await module.ListAsync(cancellationToken))
            )
            .RequireRole(Role.Operator, Role.Marketer, Role.Approver, Role.Analyst)
            .WithName("listChannels")
            .WithSummary("How the channels are")
            .WithDescription(
                "Whether each sends, at what rate, how much waits for it and how far behind it is, what has no answer, and of each "
                    + "gateway what went wrong last and why it is held, in words."
            );

        channels
            .MapPost(
                "/{channel}/stop",
                async (
                    string channel,
                    StopChannelRequest request,
                    Actor actor,
                    ChannelStates module,
                    CancellationToken cancellationToken
                ) => (await StopAsync(channel, request, actor, module, cancellationToken)).ToHttp()
            )
            .RequireRole(Role.Operator)
            .WithName("stopChannel")
            .WithSummary("Stop a channel")
            .WithDescription("Its touches wait until it is started, as long as their windows are open.");

        channels
            .MapPost(
                "/{channel}/start",
                async (string channel, Actor actor, ChannelStates module, CancellationToken cancellationToken) =>
                    (await StartAsync(channel, actor, module, cancellationToken)).ToHttp()
            )
            .RequireRole(Role.Operator)
            .WithName("startChannel")
            .WithSummary("Start a channel that was stopped")
            .WithDescription("Also one that a provider stopped: put right first what it complained of.");
    }

    private static async Task<Result<Done>> StopAsync(
        string channel,
        StopChannelRequest request,
        Actor actor,
        ChannelStates module,
        CancellationToken cancellationToken
    )
    {
        if (Find(channel) is not { } known)
        {
            return Error.NotFound("channel", channel);
        }

        if (request.Reason.Length is 0 or > LongestReason || request.Reason.Any(char.IsControl))
        {
            return Error.Validation(new FieldError("reason", $"must be 1 to {LongestReason} printable characters"));
        }

        await module.StopAsync(known, request.Reason, actor, cancellationToken);
        return new Done();
    }

    private static async Task<Result<Done>> StartAsync(
        string channel,
        Actor actor,
        ChannelStates module,
        CancellationToken cancellationToken
    )
    {
        if (Find(channel) is not { } known)
        {
            return Error.NotFound("channel", channel);
        }

        await module.StartAsync(known, actor, cancellationToken);
        return new Done();
    }

    private static Channel? Find(string name) =>
        Enum.GetValues<Channel>().Where(channel => Gateways.Section(channel) == name).Cast<Channel?>().FirstOrDefault();
}
