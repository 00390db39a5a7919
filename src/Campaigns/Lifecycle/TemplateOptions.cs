namespace Campaigns.Lifecycle;

/// <summary>Settings of templates, from the configuration's section <c>Templates</c>.</summary>
public sealed class TemplateOptions
{
    private static readonly string[] Promises = ["保本", "零风险", "稳赚", "低门槛", "秒到账"];

    /// <summary>What no template may say, whatever the case and the spaces between. Where the configuration names none:
    /// promises of safety and ease that the advertising law forbids.</summary>
    public string[]? ForbiddenWords { get; set; }

    /// <summary>Segments of the longest short message that may be written, with defaults in its places; 1 to 255.
    /// </summary>
    public int MaxSegments { get; set; } = 10;

    internal IReadOnlyList<string> Forbidden => ForbiddenWords ?? Promises;
}
