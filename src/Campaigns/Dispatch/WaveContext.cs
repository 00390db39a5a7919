using System.Text.Json;
using System.Text.RegularExpressions;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Json;
using Campaigns.Planning;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>What every chunk of a wave has in common; nothing of it changes while the run lives, but the window.</summary>
internal sealed class WaveContext
{
    public required int RunKey { get; init; }
    public required int CampaignKey { get; init; }
    public required int Wave { get; init; }
    public required Channel Channel { get; init; }
    public required DateTimeOffset AsOf { get; init; }
    public required RunPlan Plan { get; init; }

    public required IReadOnlyDictionary<short, Message> Messages { get; init; }

    /// <summary>When customers of each time zone may be sent to by the bank's own hours.</summary>
    internal ZoneHours Hours => field ??= new ZoneHours(Plan.Hours, Channel);

    /// <summary>Whether a customer who has the goal's event needs no touch any more.</summary>
    internal bool EndsWithGoal => !Plan.Goal.EveryTime;

    internal bool Marketing => Plan.Purpose == Purpose.Marketing;

    /// <summary>Null where the chunk's template names none.</summary>
    internal string? ProviderTemplate(Chunk chunk) =>
        Messages.GetValueOrDefault(chunk.Variant)?.Content.ProviderTemplate;

    internal ContactLimits Limits(GatewayDeclaration gateway) =>
        new(
            Plan.Caps.PerDay,
            Plan.Caps.PerWeek,
            Of(Plan.Caps.PerChannelPerDay),
            Of(Plan.Caps.PerChannelPerWeek),
            Monthly(gateway),
            Plan.Caps.MinimumGap,
            Plan.UsesProfiling
        );

    /// <summary>The bank's bound and the provider's, whichever is lower; only what the provider bounds is counted.</summary>
    private int? Monthly(GatewayDeclaration gateway) =>
        gateway.MonthlyPerCustomer is { } most ? Math.Min(most, Plan.Caps.WeChatPerMonth ?? most) : null;

    private int? Of(IReadOnlyDictionary<Channel, int> caps) => caps.TryGetValue(Channel, out var cap) ? cap : null;
}

/// <summary>A template as the run is bound to it.</summary>
/// <param name="Variables">Names that are read for each customer.</param>
internal sealed partial record Message(
    MessageContent Content,
    IReadOnlyDictionary<string, string> Defaults,
    IReadOnlyList<string> Variables
)
{
    internal static Message Of(MessageContent content, IReadOnlyDictionary<string, string> defaults) =>
        new(
            content,
            defaults,
            [
                .. Place()
                    .Matches($"{content.Title} {content.Text}")
                    .Select(place => place.Groups["name"].Value)
                    .Distinct(StringComparer.Ordinal),
            ]
        );

    /// <summary>For a gateway whose requests say the same to all: nobody's own values may be read out to the others.</summary>
    internal Message For(GatewayDeclaration gateway) => gateway.Variables ? this : this with { Variables = [] };

    [GeneratedRegex(@"\{\{\s*(?<name>[\w.\-]+)\s*\}\}", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Place();
}

/// <summary>Reads the contexts of waves that are being sent.</summary>
internal sealed class WaveContexts(NpgsqlDataSource dataSource)
{
    /// <summary>Null when there is no such wave.</summary>
    internal async Task<WaveContext?> ReadAsync(int runKey, int wave, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var row = await connection.QuerySingleOrDefaultAsync<Row>(
            """
            SELECT r.campaign_key, r.as_of, r.plan::text AS plan, w.channel
            FROM run r
            JOIN wave w USING (run_key)
            WHERE r.run_key = @runKey AND w.wave = @wave
            """,
            new { runKey, wave }
        );
        if (row is null)
        {
            return null;
        }

        var plan = JsonSerializer.Deserialize<RunPlan>(row.Plan, ProductJson.Options)!;
        return new WaveContext
        {
            RunKey = runKey,
            CampaignKey = row.CampaignKey,
            Wave = wave,
            Channel = row.Channel,
            AsOf = row.AsOf,
            Plan = plan,
            Messages = await MessagesAsync(connection, plan, row.Channel),
        };
    }

    private static async Task<Dictionary<short, Message>> MessagesAsync(
        NpgsqlConnection connection,
        RunPlan plan,
        Channel channel
    )
    {
        var messages = new Dictionary<short, Message>();
        foreach (var bound in plan.Templates.Where(template => template.Channel == channel))
        {
            var row = await connection.QuerySingleAsync<TemplateRow>(
                """
                SELECT title, text, provider_template, sender, link, defaults::text AS defaults
                FROM template_version
                WHERE template_id = @TemplateId AND version = @Version
                """,
                new { bound.TemplateId, bound.Version }
            );
            messages[bound.Variant] = Message.Of(
                new MessageContent(row.Title, row.Text, row.ProviderTemplate, row.Sender, row.Link),
                JsonSerializer.Deserialize<Dictionary<string, string>>(row.Defaults, ProductJson.Options)!
            );
        }

        return messages;
    }

    private sealed class Row
    {
        public int CampaignKey { get; init; }
        public DateTimeOffset AsOf { get; init; }
        public string Plan { get; init; } = "";
        public Channel Channel { get; init; }
    }

    private sealed class TemplateRow
    {
        public string? Title { get; init; }
        public string Text { get; init; } = "";
        public string? ProviderTemplate { get; init; }
        public string? Sender { get; init; }
        public string? Link { get; init; }
        public string Defaults { get; init; } = "{}";
    }
}
