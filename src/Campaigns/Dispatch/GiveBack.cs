using Campaigns.Channels;
using Campaigns.Customers;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Gives back the places of touches that were attempted and certainly not sent.</summary>
internal static class GiveBack
{
    internal static async Task OfAsync(
        NpgsqlConnection connection,
        WaveContext wave,
        GatewayDeclaration gateway,
        Attempt attempt,
        IReadOnlyList<Touch> touches,
        CancellationToken cancellationToken
    )
    {
        if (!wave.Marketing || touches.Count == 0)
        {
            return;
        }

        await ContactPlaces.GiveBackAsync(
            connection,
            wave.Channel,
            [.. touches.Select(touch => touch.CustomerKey)],
            attempt.Day,
            attempt.Previous is { } previous
                ?
                [
                    .. touches.Select(touch =>
                        previous.TryGetValue(touch.CustomerKey, out var at) ? at : (DateTime?)null
                    ),
                ]
                : null,
            gateway.MonthlyPerCustomer is not null,
            cancellationToken
        );
    }
}
