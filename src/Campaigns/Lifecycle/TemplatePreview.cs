using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Results;
using Npgsql;

namespace Campaigns.Lifecycle;

/// <summary>For whom a template is filled in.</summary>
public sealed record TemplatePreviewRequest
{
    public required string CustomerId { get; init; }

    /// <summary>Null for the newest.</summary>
    public int? Version { get; init; }
}

/// <summary>A template as one customer would receive it. Nothing is sent.</summary>
public sealed record TemplatePreview
{
    public required string TemplateId { get; init; }
    public required int Version { get; init; }
    public required string CustomerId { get; init; }
    public required Channel Channel { get; init; }

    /// <summary>Where it would go, masked; null where the channel has no address of the customer.</summary>
    public string? Address { get; init; }
    public string? Title { get; init; }

    /// <summary>With what the gateway adds. A place that stays empty is left as it is written, and a sensitive value is
    /// shown as <c>•••</c>.</summary>
    public required string Text { get; init; }
    public string? Link { get; init; }

    /// <summary>Variables for which the customer has no value and the template no default: she would get nothing
    /// (<c>template_error</c>).</summary>
    public required IReadOnlyList<string> Missing { get; init; }

    /// <summary>Variables that are marked sensitive: nobody reads them here, the customer does.</summary>
    public required IReadOnlyList<string> Hidden { get; init; }

    /// <summary>As a short message; null on other channels, and where something is missing or hidden.</summary>
    public SmsSize? Sms { get; init; }
}

/// <summary>Fills templates in for one customer, to be looked at.</summary>
public sealed class TemplatePreviews(NpgsqlDataSource dataSource, CustomerRegister customers, Gateways gateways)
{
    private const string Covered = "•••";

    /// <summary>Shows a template as a customer would receive it; that somebody looked is audited.</summary>
    /// <returns>404 for either.</returns>
    public async Task<Result<TemplatePreview>> OfAsync(
        string templateId,
        TemplatePreviewRequest request,
        Actor actor,
        CancellationToken cancellationToken
    )
    {
        // Before the transaction: whoever holds a connection must not wait for another.
        var found = await customers.GetAsync(request.CustomerId, cancellationToken);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (await Templates.FindAsync(connection, templateId, request.Version) is not { } template)
        {
            return Error.NotFound("template", templateId);
        }

        if (!found.TryGet(out var customer, out var error))
        {
            return error;
        }

        await AuditLog.WriteAsync(
            connection,
            await BusinessClock.NowAsync(connection),
            actor,
            "previewed",
            "template",
            templateId,
            new { template.Version, customer = customer.Id }
        );
        var preview = Fill(template, customer, await Fields.LoadAsync(connection));
        await transaction.CommitAsync(cancellationToken);
        return preview;
    }

    private TemplatePreview Fill(Template template, Customer customer, IReadOnlyDictionary<string, Field> fields)
    {
        var draft = template.Content;
        var filled = FilledTemplate.Of(draft, customer, fields);
        var (missing, hidden) = (filled.Missing, filled.Hidden);
        var shown = filled.Names.ToDictionary(
            name => name,
            name => hidden.Contains(name) ? Covered : filled.Values.GetValueOrDefault(name, $"{{{{{name}}}}}")
        );
        var text = Received(draft, ProviderWords.Fill(draft.Text, shown)!);
        return new TemplatePreview
        {
            TemplateId = template.TemplateId,
            Version = template.Version,
            CustomerId = customer.Id,
            Channel = draft.Channel,
            Address = customer.Channels.FirstOrDefault(reach => reach.Channel == draft.Channel)?.Address,
            Title = draft.Title is { } title ? ProviderWords.Fill(title, shown) : null,
            Text = text,
            Link = draft.Link,
            Missing = missing,
            Hidden = hidden,
            Sms =
                draft.Channel == Channel.Sms && missing.Count == 0 && hidden.Count == 0 ? SmsText.Measure(text) : null,
        };
    }

    private string Received(TemplateDraft draft, string text) =>
        gateways.For(draft.Channel, draft.Purpose) is { } gateway
            ? ReceivedText.Of(
                gateway.Declaration,
                draft.Purpose,
                draft.Sender ?? gateways.SettingsOf(draft.Channel, draft.Purpose).SignName,
                text
            )
            : text;
}
