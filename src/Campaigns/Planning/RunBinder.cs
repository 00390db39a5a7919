using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Segments;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>Turns what was approved, and the bank's policy of this moment, into all that a run reads.</summary>
internal static class RunBinder
{
    private const int MaxChunkSize = 1_000;

    public static async Task<(RunPlan Plan, CampaignCalendar Calendar)> BindAsync(
        NpgsqlConnection connection,
        string campaignId,
        int version,
        Bound bound,
        Gateways gateways,
        bool allowsOver65
    )
    {
        var policy = await ContactPolicies.CurrentAsync(connection);
        var (calendar, calendarVersion) = await CalendarAsync(
            connection,
            bound.Definition.Schedule,
            policy.Policy.Hours
        );
        var plan = Plan(campaignId, version, bound) with
        {
            AllowsOver65 = allowsOver65,
            Caps = Within(policy.Policy.Caps, gateways.For(Channel.WeChat, bound.Definition.Purpose)),
            Hours = policy.Policy.Hours,
            PolicyVersion = policy.Version,
            CalendarVersion = calendarVersion,
            WithoutAddress = gateways.WithoutAddress(bound.Definition.Purpose),
            AuthorisedTemplates = await AuthorisedAsync(connection, bound, gateways),
            GlobalHoldout = await GlobalHoldouts.CurrentAsync(connection),
        };
        return (plan, calendar);
    }

    /// <summary>The bank's bound of a month and the provider's, whichever is lower.</summary>
    private static FrequencyCaps Within(FrequencyCaps caps, IGateway? wechat) =>
        wechat?.Declaration.MonthlyPerCustomer is { } most
            ? caps with
            {
                WeChatPerMonth = Math.Min(most, caps.WeChatPerMonth ?? most),
            }
            : caps;

    private static async Task<IReadOnlyList<string>> AuthorisedAsync(
        NpgsqlConnection connection,
        Bound bound,
        Gateways gateways
    ) =>
        gateways.For(Channel.WeChat, bound.Definition.Purpose) is { Declaration.NoAuthorisation: not null }
            ?
            [
                .. await connection.QueryAsync<string>(
                    """
                    SELECT DISTINCT v.provider_template
                    FROM unnest(@ids, @versions) AS t (template_id, version)
                    JOIN template_version v USING (template_id, version)
                    WHERE v.channel = @channel AND v.provider_template IS NOT NULL
                    ORDER BY 1
                    """,
                    new
                    {
                        ids = bound.Templates.Select(template => template.TemplateId).ToArray(),
                        versions = bound.Templates.Select(template => template.Version).ToArray(),
                        channel = (short)Channel.WeChat,
                    }
                ),
            ]
            : [];

    private static RunPlan Plan(string campaignId, int version, Bound bound)
    {
        var campaign = bound.Definition;
        var numbers = campaign.Variants.Select((variant, i) => (variant.Name, Number: (short)(i + 1))).ToList();
        var bounds = Assignment.VariantBounds([.. campaign.Variants.Select(variant => variant.Weight)]);
        return new RunPlan
        {
            CampaignId = campaignId,
            CampaignVersion = version,
            Purpose = campaign.Purpose,
            Priority = campaign.Priority,
            Include = Segments(bound, campaign.Audience.Include),
            Exclude = [.. Segments(bound, campaign.Audience.Exclude)],
            Channels = campaign.Channels,
            Variants = [.. numbers.Select((variant, i) => new PlannedVariant(variant.Number, variant.Name, bounds[i]))],
            Templates =
            [
                .. campaign.Variants.SelectMany(
                    (variant, i) =>
                        variant.Templates.Select(used => new BoundTemplate(
                            (short)(i + 1),
                            used.Key,
                            used.Value,
                            bound.Templates.First(template => template.TemplateId == used.Value).Version
                        ))
                ),
            ],
            // Said outright: what it is unless said may be another when the report is read.
            Goal = campaign.Goal with
            {
                SequenceCustomers = campaign.Goal.SequenceSize,
            },
            Caps = new FrequencyCaps(),
            HoldoutBuckets = Assignment.HoldoutBuckets(campaign.Holdout),
            HoldoutSalt = Assignment.HoldoutSalt(campaignId),
            VariantSalt = Assignment.VariantSalt(campaignId),
            ProductRisk = campaign.ProductRisk,
            ConsumerCredit = campaign.ConsumerCredit,
            UsesProfiling = bound.UsesProfiling,
            Top = campaign.Audience.Top,
            Budget = campaign.Budget,
            PacePerHour = campaign.PacePerHour,
            ChunkSize = Pace.ChunkSize(campaign.PacePerHour, MaxChunkSize),
            Approved = bound.Audience,
        };
    }

    private static List<SegmentReference> Segments(Bound bound, IReadOnlyList<string> ids) =>
        [.. ids.Select(id => bound.Segments.First(segment => segment.SegmentId == id))];

    /// <summary>The hours of a schedule, with its working calendar as it is now, and that one's version.</summary>
    internal static async Task<(CampaignCalendar Calendar, int? Version)> CalendarAsync(
        NpgsqlConnection connection,
        Schedule schedule,
        ContactHours hours
    )
    {
        var named = schedule.Calendar is { } id ? await WorkingCalendars.FindAsync(connection, id) : null;
        var calendar = new CampaignCalendar
        {
            From = schedule.From,
            To = schedule.To,
            Windows = schedule.Windows,
            WorkingCalendar = named?.Calendar ?? new WorkingCalendar(),
            Days = schedule.Days,
            Hours = hours,
        };
        return (calendar, named?.Version);
    }
}
