using System.Text.Json;
using System.Text.RegularExpressions;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Results;

namespace Campaigns.Lifecycle;

/// <summary>Whether a definition makes sense by itself.</summary>
internal static partial class CampaignChecks
{
    private const int MostSegments = 50;
    private const int MostVariants = 20;
    private const int MostConditions = 10;
    private static readonly TimeSpan LongestGoal = TimeSpan.FromDays(180);

    public static void Check(CampaignDefinition campaign, FaultList faults)
    {
        CheckText(campaign.Name, "name", 200, faults);
        CheckText(campaign.Assessment, "assessment", 200, faults);
        CheckAudience(campaign.Audience, faults);
        CheckGoal(campaign, faults);
        CheckChannels(campaign, faults);
        CheckVariants(campaign, faults);
        CheckSchedule(campaign.Schedule, faults);
        CheckRange(campaign.Holdout, 0, 0.5m, "holdout", faults);
        CheckRange(campaign.Priority, 1, 9, "priority", faults);
        CheckRange(campaign.ProductRisk, 1, 5, "productRisk", faults);
        CheckRange(campaign.PacePerHour, 1, int.MaxValue, "pacePerHour", faults);
    }

    private static void CheckAudience(Audience audience, FaultList faults)
    {
        if (audience.Include.Count == 0)
        {
            faults.Malformed("audience.include", "names at least one segment");
        }

        CheckIds(audience.Include, "audience.include", faults);
        CheckIds(audience.Exclude, "audience.exclude", faults);
        CheckRange(audience.Top?.Count, 1, int.MaxValue, "audience.top.count", faults);
    }

    private static void CheckIds(IReadOnlyList<string> ids, string path, FaultList faults)
    {
        if (ids.Count > MostSegments)
        {
            faults.Malformed(path, $"names at most {MostSegments} segments; combine them in one");
            return;
        }

        for (var i = 0; i < ids.Count; i++)
        {
            faults.CheckId($"{path}[{i}]", ids[i]);
            if (ids.Take(i).Contains(ids[i], StringComparer.Ordinal))
            {
                faults.Malformed($"{path}[{i}]", "is named twice");
            }
        }
    }

    private static void CheckGoal(CampaignDefinition campaign, FaultList faults)
    {
        var goal = campaign.Goal;
        if ((goal.Event is null) == (goal.Field is null))
        {
            faults.Malformed("goal", "names either an event or a field");
        }

        CheckGoalEvent(goal.Event, faults);
        CheckText(goal.Field, "goal.field", 63, faults);
        CheckEventsOnly(goal, faults);
        CheckLastYear(goal, faults);
        if (goal.Window <= TimeSpan.Zero || goal.Window > LongestGoal)
        {
            faults.Malformed("goal.window", "must be longer than nothing and at most 180 days");
        }

        if (goal.Sale && campaign.Purpose == Purpose.Servicing)
        {
            faults.Invalid(
                "servicing-sale",
                "purpose",
                "a campaign whose goal is a sale is marketing: servicing skips consent and caps"
            );
        }
    }

    private static void CheckGoalEvent(string? name, FaultList faults)
    {
        if (name is not null && !EventNames.IsValid(name))
        {
            faults.Malformed("goal.event", EventNames.Form);
        }
        else if (name is not null && EventNames.IsEngagement(name))
        {
            faults.Invalid(
                "engagement-goal",
                "goal.event",
                "must not be what customers do with messages, which those held out get none of: name what the campaign is for, such as savings.opened"
            );
        }
    }

    private static void CheckEventsOnly(Goal goal, FaultList faults)
    {
        if (
            goal.Event is null
            && (goal.Where is not null || goal.AtLeast is not null || goal.Currency is not null || goal.EveryTime)
        )
        {
            faults.Malformed("goal", "says where, atLeast, currency and everyTime only where it names an event");
        }

        if (goal.Event is null && goal.SequenceCustomers is not null)
        {
            faults.Malformed("goal.sequenceCustomers", "is said only where the goal names an event");
        }

        CheckRange(goal.SequenceCustomers, 100, 1_000_000_000, "goal.sequenceCustomers", faults);

        if (goal.Currency is { } currency && !(currency.Length == 3 && currency.All(char.IsAsciiLetterUpper)))
        {
            faults.Malformed("goal.currency", "must be three capital letters, as in CNY");
        }

        if (goal.Where is { } where && (where.Count is 0 or > MostConditions || !where.Values.All(IsPlain)))
        {
            faults.Malformed("goal.where", $"has 1 to {MostConditions} texts, numbers or booleans by attribute");
        }
    }

    private static void CheckLastYear(Goal goal, FaultList faults)
    {
        if (goal.LastYear is not { } lastYear)
        {
            return;
        }

        if (goal.Field is null)
        {
            faults.Malformed("goal.lastYear", "is said only where the goal names a field");
        }

        CheckText(lastYear.Before, "goal.lastYear.before", 63, faults);
        CheckText(lastYear.After, "goal.lastYear.after", 63, faults);
        if (lastYear.Before == goal.Field)
        {
            faults.Malformed(
                "goal.lastYear.before",
                "is the goal's own field: name the one that holds last year's number"
            );
        }

        if (lastYear.After == goal.Field || lastYear.After == lastYear.Before)
        {
            faults.Malformed(
                "goal.lastYear.after",
                "is a field of its own: name the one that holds last year's number"
            );
        }
    }

    private static bool IsPlain(JsonElement value) =>
        value.ValueKind is JsonValueKind.String or JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False;

    private static void CheckChannels(CampaignDefinition campaign, FaultList faults)
    {
        var channels = campaign.Channels;
        if (channels.Count == 0)
        {
            faults.Malformed("channels", "names at least one channel");
        }

        for (var i = 0; i < channels.Count; i++)
        {
            if (channels.Take(i).Contains(channels[i]))
            {
                faults.Malformed($"channels[{i}]", "is named twice");
            }
        }

        foreach (var (channel, most) in campaign.Budget)
        {
            var path = $"budget.{Json.ProductJson.NameOf(channel)}";
            CheckRange(most, 1, int.MaxValue, path, faults);
            if (!channels.Contains(channel))
            {
                faults.Malformed(path, "is not a channel of the campaign");
            }
        }
    }

    private static void CheckVariants(CampaignDefinition campaign, FaultList faults)
    {
        var variants = campaign.Variants;
        if (variants.Count is 0 or > MostVariants)
        {
            faults.Malformed("variants", $"has 1 to {MostVariants} variants");
        }

        for (var i = 0; i < variants.Count; i++)
        {
            var (variant, path) = (variants[i], $"variants[{i}]");
            if (!VariantName().IsMatch(variant.Name))
            {
                faults.Malformed($"{path}.name", "must have 1 to 40 characters of a-z, 0-9 and -");
            }
            else if (variants.Take(i).Any(other => other.Name == variant.Name))
            {
                faults.Malformed($"{path}.name", "is named twice");
            }

            CheckRange(variant.Weight, 0, 1_000_000, $"{path}.weight", faults);
            CheckTemplates(campaign, variant, path, faults);
        }

        if (variants.Count > 0 && variants.Sum(variant => (long)variant.Weight) <= 0)
        {
            faults.Malformed("variants", "have weights that sum to nothing");
        }
    }

    private static void CheckTemplates(CampaignDefinition campaign, Variant variant, string path, FaultList faults)
    {
        foreach (var channel in campaign.Channels.Except(variant.Templates.Keys))
        {
            faults.Malformed(
                $"{path}.templates.{Json.ProductJson.NameOf(channel)}",
                "is required: every channel has a template"
            );
        }

        foreach (var (channel, templateId) in variant.Templates)
        {
            var at = $"{path}.templates.{Json.ProductJson.NameOf(channel)}";
            faults.CheckId(at, templateId);
            if (!campaign.Channels.Contains(channel))
            {
                faults.Malformed(at, "is not a channel of the campaign");
            }
        }
    }

    private static void CheckSchedule(Schedule schedule, FaultList faults)
    {
        faults.Add(CampaignCalendar.ValidatePeriod(schedule.From, schedule.To, "schedule"));
        faults.Add(SendWindow.Validate(schedule.Windows, "schedule.windows"));
        if (schedule.Calendar is { } calendar)
        {
            faults.CheckId("schedule.calendar", calendar);
        }
        else if (schedule.Days != DayKind.Any)
        {
            faults.Malformed("schedule.days", "needs a calendar to say which days those are");
        }
    }

    private static void CheckText(string? text, string path, int longest, FaultList faults)
    {
        if (text is not null && (string.IsNullOrWhiteSpace(text) || text.Length > longest))
        {
            faults.Malformed(path, $"must have 1 to {longest} characters");
        }
    }

    private static void CheckRange(decimal? value, decimal low, decimal high, string path, FaultList faults)
    {
        if (value < low || value > high)
        {
            faults.Malformed(path, high == int.MaxValue ? $"must be at least {low}" : $"must be from {low} to {high}");
        }
    }

    [GeneratedRegex(@"\A[a-z0-9-]{1,40}\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex VariantName();
}
