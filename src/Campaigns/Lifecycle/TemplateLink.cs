using System.Collections.Frozen;
using System.Text.RegularExpressions;
using Campaigns.Channels;
using Campaigns.Results;

namespace Campaigns.Lifecycle;

/// <summary>Where a template may lead.</summary>
internal static partial class TemplateLink
{
    /// <summary>What no app may call its own: what runs, what reads files, and other protocols.</summary>
    private static readonly FrozenSet<string> SchemesOfOthers = FrozenSet.Create(
        StringComparer.OrdinalIgnoreCase,
        "about",
        "blob",
        "content",
        "data",
        "file",
        "ftp",
        "ftps",
        "javascript",
        "mailto",
        "sftp",
        "sms",
        "tel",
        "vbscript",
        "ws",
        "wss"
    );

    public static void Check(TemplateDraft draft, FaultList faults)
    {
        if (TemplateChecks.HasPlace(draft.Link))
        {
            faults.Malformed("link", "has a place: a link leads everybody to the same address, so write it out");
        }
        else if (draft.Link is { } link && !IsAddress(link) && !IsPage(draft, link))
        {
            faults.Malformed(
                "link",
                "must be an absolute address of the web or of an app's own scheme, as https://bank.example/offer or "
                    + "bankapp://offer, or of a servicing message by WeChat a mini program's page, as pages/card?id=1"
            );
        }
    }

    // A path alone is a file's address to .NET where files begin with a slash.
    private static bool IsAddress(string link) =>
        Address().IsMatch(link)
        && Uri.TryCreate(link, UriKind.Absolute, out var address)
        && !SchemesOfOthers.Contains(address.Scheme);

    private static bool IsPage(TemplateDraft draft, string link) =>
        draft is { Channel: Channel.WeChat, Purpose: Purpose.Servicing } && Page().IsMatch(link);

    [GeneratedRegex(@"\A[a-z][a-z0-9+.-]*://[^\s/]\S*\z", RegexOptions.IgnoreCase, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Address();

    [GeneratedRegex(@"\A[\w-]+(/[\w-]+)+(\?[\w.~%&=-]*)?\z", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Page();
}
