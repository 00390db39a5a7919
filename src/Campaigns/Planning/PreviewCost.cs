using Campaigns.Channels;
using Campaigns.Lifecycle;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>What sending the touches would cost, by the prices of now (<see cref="GatewaySettings.Price"/>).</summary>
public sealed record PreviewCost
{
    /// <summary>One for each channel of the campaign.</summary>
    public required IReadOnlyList<ChannelCost> Channels { get; init; }

    /// <summary>Of all channels; null where it cannot be told.</summary>
    public decimal? Total { get; init; }

    /// <summary>ISO 4217; null where there is no total.</summary>
    public string? Currency { get; init; }

    /// <summary>Why there is no total: that of a channel, or <c>mixedCurrencies</c>.</summary>
    public string? Missing { get; init; }

    /// <param name="counts">What the run decided.</param>
    internal static async Task<PreviewCost> OfAsync(
        NpgsqlConnection connection,
        RunPlan plan,
        IReadOnlyList<LedgerRow> counts,
        CampaignBinding binding
    )
    {
        var channels = new List<ChannelCost>();
        foreach (var channel in plan.Channels)
        {
            var touches = counts
                .Where(row => row.Reason == (short)Reason.Touch && row.Channel == (short)channel)
                .GroupBy(row => row.Variant)
                .ToDictionary(group => group.Key, group => group.Sum(row => row.Customers));
            var units = 0L;
            foreach (var bound in plan.Templates.Where(bound => bound.Channel == channel))
            {
                units +=
                    touches.GetValueOrDefault(bound.Variant)
                    * await binding.Templates.SegmentsAsync(connection, bound.TemplateId, bound.Version);
            }

            channels.Add(ChannelCost.Of(channel, touches.Values.Sum(), units, plan.Purpose, binding.Gateways));
        }

        return Of(channels);
    }

    private static PreviewCost Of(IReadOnlyList<ChannelCost> channels)
    {
        var missing =
            channels.FirstOrDefault(channel => channel.Missing is not null)?.Missing
            ?? (channels.Select(channel => channel.Currency).Distinct().Count() > 1 ? "mixedCurrencies" : null);
        return missing is null
            ? new PreviewCost
            {
                Channels = channels,
                Total = channels.Sum(channel => channel.Amount),
                Currency = channels[0].Currency,
            }
            : new PreviewCost { Channels = channels, Missing = missing };
    }
}

/// <summary>What a channel's touches would cost.</summary>
public sealed record ChannelCost
{
    public required Channel Channel { get; init; }
    public required long Touches { get; init; }

    /// <summary>What is paid for: messages; of SMS segments, as many as each template has with its defaults
    /// (<see cref="SmsLength.Segments"/>). Long values of customers may make it more.</summary>
    public required long Units { get; init; }

    /// <summary>Of one unit; null where there is none.</summary>
    public decimal? Price { get; init; }

    /// <summary>ISO 4217; null where there is no price.</summary>
    public string? Currency { get; init; }

    /// <summary>Units times price; null where there is no price, for that is not free of charge.</summary>
    public decimal? Amount { get; init; }

    /// <summary>Why there is none: <c>noGateway</c> serves the channel, or it has <c>noPrice</c>.</summary>
    public string? Missing { get; init; }

    internal static ChannelCost Of(Channel channel, long touches, long units, Purpose purpose, Gateways gateways)
    {
        var cost = new ChannelCost
        {
            Channel = channel,
            Touches = touches,
            Units = units,
        };
        var settings = gateways.SettingsOf(channel, purpose);
        return gateways.For(channel, purpose) is null ? cost with { Missing = "noGateway" }
            : settings.Price is not { } price ? cost with { Missing = "noPrice" }
            : cost with { Price = price, Currency = settings.Currency, Amount = units * price };
    }
}
