using Campaigns.Channels;
using Campaigns.Customers;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Gives back the places, and the authorisations, of touches that were attempted and certainly not sent.</summary>
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
            gateway.MonthlyPerCustomer is not null,
            cancellationToken
        );
    }

    /// <summary>Gives back the authorisations of a request that the provider has not taken: one that it refuses, for whatever
    /// reason, is not delivered, and it takes an authorisation only for what it delivers. Should it have taken it after all, it
    /// says at the next message that there is none, and then we know; not to give it back would cost the customer a message
    /// that she asked for.</summary>
    /// <param name="usedUp">Of whom it says that they have none left.</param>
    /// <param name="others">Whose message was refused otherwise, or never sent.</param>
    internal static async Task AuthorisationsAsync(
        NpgsqlConnection connection,
        string template,
        Attempt attempt,
        long[] usedUp,
        long[] others
    )
    {
        var spentAt = attempt.Day.Now;
        if (usedUp.Length > 0)
        {
            await UnspentAuthorisations.UsedUpAsync(connection, template, usedUp, spentAt, CancellationToken.None);
        }

        if (others.Length > 0)
        {
            await UnspentAuthorisations.GiveBackAsync(connection, template, others, spentAt, CancellationToken.None);
        }
    }
}
