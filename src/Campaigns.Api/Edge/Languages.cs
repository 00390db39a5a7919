using Campaigns.Segments;

namespace Campaigns.Api.Edge;

/// <summary>The language in which rules and reasons are told: Chinese or English, by Accept-Language.</summary>
internal static class Languages
{
    internal static RuleLanguage Of(HttpRequest request) =>
        request
            .GetTypedHeaders()
            .AcceptLanguage.OrderByDescending(language => language.Quality ?? 1)
            .Select(language => language.Value.Value)
            .FirstOrDefault()
            ?.StartsWith("zh", StringComparison.OrdinalIgnoreCase) == true
            ? RuleLanguage.Chinese
            : RuleLanguage.English;
}
