using System.Text.Json;
using Campaigns.Customers;

namespace Campaigns.Lifecycle;

/// <summary>What one customer's values make of a template's places.</summary>
/// <param name="Names">Of the places, each once.</param>
/// <param name="Values">By name, the customer's own or the default.</param>
/// <param name="Hidden">Names of sensitive values of the customer's own.</param>
internal sealed record FilledTemplate(
    IReadOnlyList<string> Names,
    IReadOnlyDictionary<string, string> Values,
    IReadOnlyList<string> Hidden
)
{
    /// <summary>Names that have neither a value nor a default.</summary>
    public IReadOnlyList<string> Missing => [.. Names.Where(name => !Values.ContainsKey(name))];

    /// <summary>A sensitive value counts only where the customer consents to its use.</summary>
    /// <param name="fields">The field catalogue.</param>
    public static FilledTemplate Of(TemplateDraft draft, Customer customer, IReadOnlyDictionary<string, Field> fields)
    {
        var names = TemplateChecks.Variables($"{draft.Title} {draft.Text}").Distinct().ToList();
        var values = names
            .Select(name => (name, Value: Own(name) ?? draft.Defaults.GetValueOrDefault(name)))
            .Where(one => one.Value is not null)
            .ToDictionary(one => one.name, one => one.Value!);
        return new FilledTemplate(names, values, [.. names.Where(name => IsSensitive(name) && Own(name) is not null)]);

        bool IsSensitive(string name) => fields.GetValueOrDefault(name) is { Sensitive: true };

        string? Own(string name) => IsSensitive(name) && !customer.SensitiveConsent ? null : ValueOf(customer, name);
    }

    // As the database writes it into the message.
    private static string? ValueOf(Customer customer, string name) =>
        !customer.Attributes.TryGetValue(name, out var value) || value.ValueKind == JsonValueKind.Null ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : value.GetRawText();
}
