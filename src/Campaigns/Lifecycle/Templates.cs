using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Lifecycle;

/// <summary>Templates and their versions.</summary>
public sealed class Templates(NpgsqlDataSource dataSource, Gateways gateways, TemplateOptions options)
{
    private const string Select = """
        SELECT v.template_id, v.version, v.channel, v.purpose, v.language, v.title, v.text, v.provider_template, v.sender,
            v.link, v.defaults::text AS defaults, v.created_by, v.created_at
        FROM template t JOIN template_version v USING (template_id)
        """;

    /// <summary>Makes a template or a new version of it; the same content again makes none.</summary>
    /// <param name="seen">The version the caller saw last; null where it does not say.</param>
    /// <returns>400 <c>validation-failed</c>; 422 <c>unknown-variable</c>, <c>sensitive-without-default</c>, <c>variables-not-allowed</c>,
    /// <c>forbidden-wording</c>, <c>purpose-not-carried</c>, <c>provider-template-missing</c>, <c>sender-missing</c>,
    /// <c>sender-repeated</c>, <c>refusal-missing</c>, <c>refusal-repeated</c>, <c>sms-too-long</c>,
    /// <c>not-the-providers-form</c>, with every field at fault; 412 <c>version-mismatch</c>.</returns>
    public async Task<Result<Saved<Template>>> PutAsync(
        Actor actor,
        string templateId,
        TemplateDraft draft,
        int? seen,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var fields = await Fields.LoadAsync(connection);
        if (Check(templateId, draft, fields) is { } error)
        {
            return error;
        }

        var created =
            1
            == await connection.ExecuteAsync(
                "INSERT INTO template (template_id, version) VALUES (@templateId, 0) ON CONFLICT DO NOTHING",
                new { templateId }
            );
        var version = await connection.QuerySingleAsync<int>(
            "SELECT version FROM template WHERE template_id = @templateId FOR UPDATE",
            new { templateId }
        );
        if (seen is not null && seen != version)
        {
            return Error.VersionMismatch("template", templateId, version);
        }

        var before = created ? null : await FindAsync(connection, templateId, version);
        if (before is not null && Documents.Same(before.Content, draft))
        {
            return new Saved<Template>(Measured(before, fields), Created: false);
        }

        var now = await BusinessClock.NowAsync(connection);
        await InsertAsync(connection, actor, templateId, version + 1, draft, now);
        await AuditLog.WriteAsync(
            connection,
            now,
            actor,
            created ? "created" : "changed",
            "template",
            templateId,
            new { version = version + 1 }
        );
        await transaction.CommitAsync(cancellationToken);
        var saved = new Template
        {
            TemplateId = templateId,
            Version = version + 1,
            Content = draft,
            CreatedBy = actor.Id,
            CreatedAt = now,
        };
        return new Saved<Template>(Measured(saved, fields), created);
    }

    /// <summary>The newest version, or the one asked for; 404.</summary>
    public async Task<Result<Template>> GetAsync(string templateId, int? version, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await FindAsync(connection, templateId, version) is { } template
            ? Measured(template, await Fields.LoadAsync(connection))
            : Error.NotFound("template", templateId);
    }

    /// <summary>The newest versions, by id.</summary>
    /// <param name="after">The id after which to begin; null for the beginning.</param>
    public async Task<IReadOnlyList<Template>> ListAsync(string? after, int limit, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var rows = await connection.QueryAsync<Row>(
            Select
                + """

                WHERE v.version = t.version AND template_id COLLATE "C" > @after
                ORDER BY template_id COLLATE "C" LIMIT @limit
                """,
            new { after = after ?? "", limit }
        );
        var fields = await Fields.LoadAsync(connection);
        return [.. rows.Select(row => Measured(row.ToTemplate(), fields))];
    }

    /// <summary>Whether a template still satisfies the gateways as they are configured now, the catalogue and the wording
    /// rules; null when it does.</summary>
    internal async Task<Error?> CheckAsync(NpgsqlConnection connection, string templateId, TemplateDraft draft) =>
        Check(templateId, draft, await Fields.LoadAsync(connection));

    private Error? Check(string templateId, TemplateDraft draft, IReadOnlyDictionary<string, Field> fields)
    {
        var faults = new FaultList();
        faults.CheckId("templateId", templateId);
        TemplateChecks.CheckForm(draft, faults);
        TemplateChecks.CheckWords(draft, options, faults);
        TemplateChecks.CheckVariables(draft, fields, faults);
        if (gateways.For(draft.Channel, draft.Purpose) is { } gateway)
        {
            TemplateChecks.CheckGateway(draft, gateway.Declaration, faults);
            var written = new MessageContent(draft.Title, draft.Text, draft.ProviderTemplate, draft.Sender, draft.Link);
            var filled = written with { Text = TemplateChecks.Filled(draft.Text, draft) };
            foreach (var fault in gateway.FaultsOf(written).Union(gateway.FaultsOf(filled)))
            {
                faults.Invalid("not-the-providers-form", "text", fault);
            }
        }

        if (LengthOf(draft, fields) is { } length)
        {
            TemplateChecks.CheckLength(length, options.MaxSegments, faults);
        }

        return faults.ToError();
    }

    private Template Measured(Template template, IReadOnlyDictionary<string, Field> fields) =>
        template with
        {
            Sms = LengthOf(template.Content, fields),
        };

    private SmsLength? LengthOf(TemplateDraft draft, IReadOnlyDictionary<string, Field> fields) =>
        draft.Channel == Channel.Sms && gateways.For(Channel.Sms, draft.Purpose) is { } gateway
            ? SmsLength.Of(draft, fields, gateway.Declaration, gateways.SettingsOf(Channel.Sms, draft.Purpose).SignName)
            : null;

    internal static async Task<Template?> FindAsync(NpgsqlConnection connection, string templateId, int? version)
    {
        var row = await connection.QuerySingleOrDefaultAsync<Row>(
            Select + " WHERE template_id = @templateId AND v.version = coalesce(@version, t.version)",
            new { templateId, version }
        );
        return row?.ToTemplate();
    }

    /// <summary>Segments of a version as a short message, with its defaults; 1 on every other channel, and where no gateway
    /// serves SMS.</summary>
    internal async Task<int> SegmentsAsync(NpgsqlConnection connection, string templateId, int version)
    {
        var template = (await FindAsync(connection, templateId, version))!;
        return LengthOf(template.Content, new Dictionary<string, Field>())?.Segments ?? 1;
    }

    /// <summary>Names of the places of these versions.</summary>
    internal static async Task<string[]> VariablesAsync(
        NpgsqlConnection connection,
        IReadOnlyList<TemplateReference> templates
    )
    {
        var texts = await connection.QueryAsync<string>(
            """
            SELECT concat_ws(' ', v.title, v.text)
            FROM unnest(@ids, @versions) AS t (template_id, version)
            JOIN template_version v USING (template_id, version)
            """,
            new
            {
                ids = templates.Select(template => template.TemplateId).ToArray(),
                versions = templates.Select(template => template.Version).ToArray(),
            }
        );
        return [.. texts.SelectMany(TemplateChecks.Variables).Distinct()];
    }

    private static async Task InsertAsync(
        NpgsqlConnection connection,
        Actor actor,
        string templateId,
        int version,
        TemplateDraft draft,
        DateTimeOffset now
    )
    {
        await connection.ExecuteAsync(
            """
            INSERT INTO template_version (template_id, version, channel, purpose, language, title, text,
                provider_template, sender, link, defaults, created_by, created_at)
            VALUES (@templateId, @version, @channel, @purpose, @Language, @Title, @Text,
                @ProviderTemplate, @Sender, @Link, @defaults::jsonb, @by, @now);
            UPDATE template SET version = @version WHERE template_id = @templateId
            """,
            new
            {
                templateId,
                version,
                channel = (short)draft.Channel,
                purpose = (short)draft.Purpose,
                draft.Language,
                draft.Title,
                draft.Text,
                draft.ProviderTemplate,
                draft.Sender,
                draft.Link,
                defaults = Documents.Write(draft.Defaults),
                by = actor.Id,
                now,
            }
        );
    }

    private sealed record Row
    {
        public required string TemplateId { get; init; }
        public int Version { get; init; }
        public Channel Channel { get; init; }
        public Purpose Purpose { get; init; }
        public required string Language { get; init; }
        public string? Title { get; init; }
        public required string Text { get; init; }
        public string? ProviderTemplate { get; init; }
        public string? Sender { get; init; }
        public string? Link { get; init; }
        public required string Defaults { get; init; }
        public required string CreatedBy { get; init; }
        public DateTimeOffset CreatedAt { get; init; }

        public Template ToTemplate() =>
            new()
            {
                TemplateId = TemplateId,
                Version = Version,
                Content = new TemplateDraft
                {
                    Channel = Channel,
                    Purpose = Purpose,
                    Language = Language,
                    Title = Title,
                    Text = Text,
                    ProviderTemplate = ProviderTemplate,
                    Sender = Sender,
                    Link = Link,
                    Defaults = Documents.Read<Dictionary<string, string>>(Defaults),
                },
                CreatedBy = CreatedBy,
                CreatedAt = CreatedAt,
            };
    }
}
