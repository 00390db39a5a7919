using Campaigns.Channels;
using Campaigns.Customers;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Where touches go that their channel refused: the customer's next channel that may reach them, in the next
/// window that is legal for them there.</summary>
internal sealed class Fallback(Gateways gateways)
{
    /// <summary>Chunks for those who have such a channel; the others are in none.</summary>
    /// <param name="fresh">Whether none of them has been attempted before.</param>
    internal async Task<List<NewChunk>> OfAsync(
        NpgsqlConnection connection,
        Chunk chunk,
        WaveContext wave,
        long[] keys,
        DateTimeOffset now,
        bool fresh,
        CancellationToken cancellationToken
    )
    {
        if (keys.Length == 0 || wave.Plan.Channels.Count < 2)
        {
            return [];
        }

        var windows = (
            await connection.QueryAsync<Window>(
                new CommandDefinition(
                    "SELECT wave, channel, opens_at, closes_at, next_wave FROM wave WHERE run_key = @RunKey",
                    new { chunk.RunKey },
                    cancellationToken: cancellationToken
                )
            )
        ).ToDictionary(window => window.Wave);
        var (reachable, shared) = ContactReach.Sql("c", ChannelSet.Of(gateways.WithoutAddress(wave.Plan.Purpose)));
        var (authorised, allowed) =
            wave.Plan.AuthorisedTemplates.Count > 0
                ? UnspentAuthorisations.Sql("c", Channel.WeChat, "@authorised", "customer_key = ANY (@keys)")
                : ("", "-1::smallint");
        var customers = await connection.QueryAsync<Customer>(
            new CommandDefinition(
                $"""
                SELECT c.customer_key, c.preferred_channels, l.waves,
                       (l.open_channels & {reachable} & ~{shared} & {allowed}
                        & CASE WHEN @Marketing THEN c.consented & ~c.opted_out ELSE -1::smallint END
                        & CASE WHEN c.erased OR c.personalisation_off AND @UsesProfiling THEN 0::smallint
                               ELSE -1::smallint END)::smallint AS open
                FROM contact c
                JOIN run_calendar l ON l.run_key = @RunKey AND l.zone = c.zone AND l.slots = c.preferred_slots
                {authorised}
                WHERE c.customer_key = ANY (@keys)
                ORDER BY c.customer_key
                """,
                new
                {
                    chunk.RunKey,
                    keys,
                    authorised = wave.Plan.AuthorisedTemplates.ToArray(),
                    wave.Marketing,
                    wave.Plan.UsesProfiling,
                },
                cancellationToken: cancellationToken
            )
        );
        return
        [
            .. customers
                .Select(customer => (customer.CustomerKey, Window: Next(customer, chunk, wave, windows, now)))
                .Where(next => next.Window is not null)
                .GroupBy(next => next.Window!)
                .Select(group => new NewChunk(
                    group.Key.Wave,
                    chunk.PlannedWave,
                    group.Key.Channel,
                    chunk.Variant,
                    [.. group.Select(next => next.CustomerKey)],
                    Try: 1,
                    fresh,
                    group.Key.OpensAt > now ? group.Key.OpensAt : now
                )),
        ];
    }

    private Window? Next(
        Customer customer,
        Chunk chunk,
        WaveContext wave,
        Dictionary<int, Window> windows,
        DateTimeOffset now
    ) =>
        Order(customer.PreferredChannels, wave.Plan.Channels)
            .SkipWhile(channel => channel != chunk.Channel)
            .Skip(1)
            .Where(channel => (customer.Open & channel.Bit()) != 0 && CanSend(channel, chunk.Variant, wave))
            .Select(channel => OpenWindow(customer.Waves, channel, windows, now))
            .FirstOrDefault(window => window is not null);

    private bool CanSend(Channel channel, short variant, WaveContext wave) =>
        gateways.For(channel, wave.Plan.Purpose) is { } gateway
        && gateway.Declaration.Purposes.Contains(wave.Plan.Purpose)
        && wave.Plan.Templates.Any(template => template.Variant == variant && template.Channel == channel);

    private static Window? OpenWindow(
        int[] firstWaves,
        Channel channel,
        Dictionary<int, Window> windows,
        DateTimeOffset now
    )
    {
        var wave = (int)channel <= firstWaves.Length ? firstWaves[(int)channel - 1] : 0;
        var window = windows.GetValueOrDefault(wave);
        while (window is not null && window.ClosesAt <= now)
        {
            window = window.NextWave is { } next ? windows.GetValueOrDefault(next) : null;
        }

        return window;
    }

    /// <summary>The customer's own preference, octal digits with the first lowest, then the campaign's order.</summary>
    internal static IEnumerable<Channel> Order(short preferred, IReadOnlyList<Channel> channels)
    {
        var own = new List<Channel>();
        for (var digits = preferred; digits > 0; digits >>= 3)
        {
            own.Add((Channel)(digits & 7));
        }

        return own.Where(channels.Contains).Concat(channels).Distinct();
    }

    private sealed class Window
    {
        public int Wave { get; init; }
        public Channel Channel { get; init; }
        public DateTimeOffset OpensAt { get; init; }
        public DateTimeOffset ClosesAt { get; init; }
        public int? NextWave { get; init; }
    }

    private sealed class Customer
    {
        public long CustomerKey { get; init; }
        public short PreferredChannels { get; init; }
        public int[] Waves { get; init; } = [];
        public short Open { get; init; }
    }
}
