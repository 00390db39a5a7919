using Campaigns.Channels;
using Campaigns.Json;
using Campaigns.Results;
using Campaigns.Segments;
using Dapper;
using Npgsql;

namespace Campaigns.Lifecycle;

/// <summary>Finds what a definition stands for: segments and templates, each in its newest version of now.</summary>
public sealed class CampaignBinding(SegmentStore segments, Templates templates, Gateways gateways)
{
    private const decimal Tolerance = 0.2m;

    /// <summary>Those that would send it.</summary>
    internal Gateways Gateways => gateways;

    /// <summary>What it would say.</summary>
    internal Templates Templates => templates;

    /// <summary>What the definition stands for now; for a preview of what nobody has approved yet.</summary>
    /// <returns>422 <c>unknown-segment</c>, <c>stale-segment</c>, <c>unknown-template</c> and the like, with the fields at
    /// fault.</returns>
    public async Task<Result<Bound>> ForPreviewAsync(
        NpgsqlConnection connection,
        CampaignDefinition definition,
        CancellationToken cancellationToken
    )
    {
        var faults = new FaultList();
        await CampaignReferences.CheckAsync(connection, definition, faults);
        if (faults.ToError() is { } missing)
        {
            return missing;
        }

        var named = definition.Audience.Include.Concat(definition.Audience.Exclude).Distinct();
        var compiled = await segments.CompileAsync(
            connection,
            [.. named.Select(id => new SegmentReference(id))],
            "p",
            cancellationToken
        );
        if (!compiled.TryGet(out var rules, out var error))
        {
            return error;
        }

        var used = await VersionsAsync(connection, definition);
        var said = await Templates.VariablesAsync(connection, used);
        var (sensitive, profiling) = await FieldsAsync(connection, definition, said);
        return new Bound
        {
            Definition = definition,
            Segments = rules.Segments,
            Templates = used,
            UsesSensitive = rules.UsesSensitive || sensitive,
            UsesProfiling = rules.UsesProfiling || profiling,
        };
    }

    internal async Task<Result<Bound>> ForSubmissionAsync(
        NpgsqlConnection connection,
        CampaignDefinition definition,
        long? expectedAudience,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        var bound = await ForPreviewAsync(connection, definition, cancellationToken);
        if (!bound.TryGet(out var all, out var error))
        {
            return error;
        }

        var faults = new FaultList();
        CheckNotOver(definition.Schedule, now, faults);
        await CheckTemplatesAsync(connection, definition, faults);
        return faults.ToError() is { } unfit
            ? unfit
            : all with
            {
                Audience = expectedAudience is { } expected ? Around(expected) : null,
            };
    }

    private static AudienceBounds Around(long expected) =>
        new(expected, (long)Math.Floor(expected * (1 - Tolerance)), (long)Math.Ceiling(expected * (1 + Tolerance)));

    // The last day ends last twelve hours behind Greenwich.
    private static void CheckNotOver(Schedule schedule, DateTimeOffset now, FaultList faults)
    {
        if (schedule.To < DateOnly.FromDateTime(now.UtcDateTime.AddHours(-12)))
        {
            faults.Invalid("invalid-window", "schedule.to", "has passed");
        }
    }

    // Gateways and wording rules may have changed since the template was saved.
    private async Task CheckTemplatesAsync(NpgsqlConnection connection, CampaignDefinition definition, FaultList faults)
    {
        for (var i = 0; i < definition.Variants.Count; i++)
        {
            foreach (var (channel, templateId) in definition.Variants[i].Templates)
            {
                var template = (await Templates.FindAsync(connection, templateId, version: null))!;
                if (await templates.CheckAsync(connection, templateId, template.Content) is { } error)
                {
                    faults.Invalid(
                        error.Type,
                        $"variants[{i}].templates.{ProductJson.NameOf(channel)}",
                        string.Join("; ", error.Fields.Select(field => $"{field.Path} {field.Detail}"))
                    );
                }
            }
        }
    }

    private static async Task<IReadOnlyList<TemplateReference>> VersionsAsync(
        NpgsqlConnection connection,
        CampaignDefinition definition
    )
    {
        var rows = await connection.QueryAsync<(string Id, int Version)>(
            """
            SELECT template_id, version FROM template WHERE template_id = ANY (@named)
            ORDER BY template_id COLLATE "C"
            """,
            new { named = definition.Variants.SelectMany(variant => variant.Templates.Values).Distinct().ToArray() }
        );
        return [.. rows.Select(row => new TemplateReference(row.Id, row.Version))];
    }

    /// <summary>Of the fields that are named outside of rules. To measure by one is not to choose by it.</summary>
    /// <param name="said">Variables of the templates.</param>
    private static Task<(bool Sensitive, bool Profiling)> FieldsAsync(
        NpgsqlConnection connection,
        CampaignDefinition definition,
        string[] said
    ) =>
        connection.QuerySingleAsync<(bool, bool)>(
            """
            SELECT coalesce(bool_or(sensitive), false),
                coalesce(bool_or(profiling AND (name = @top OR name = ANY (@said))), false)
            FROM field WHERE name = @top OR name = ANY (@measured) OR name = ANY (@said)
            """,
            new
            {
                top = definition.Audience.Top?.Field,
                measured = definition.Goal.Numbers,
                said,
            }
        );
}
