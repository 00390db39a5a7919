using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Results;

namespace Campaigns.Lifecycle;

/// <summary>Whether a template may be sent as it stands.</summary>
internal static partial class TemplateChecks
{
    public static void CheckForm(TemplateDraft draft, FaultList faults)
    {
        if (!Language().IsMatch(draft.Language))
        {
            faults.Malformed("language", "must be a language tag, such as zh-CN or en");
        }

        CheckText(draft.Text, "text", 2_000, faults);
        CheckText(draft.Title, "title", 100, faults);
        CheckText(draft.ProviderTemplate, "providerTemplate", 100, faults);
        CheckText(draft.Sender, "sender", 30, faults);
        if (draft.Sender?.AsSpan().IndexOfAny("【】[]") >= 0)
        {
            faults.Malformed("sender", "is written without brackets");
        }

        CheckText(draft.Link, "link", 500, faults);
        TemplateLink.Check(draft, faults);
        foreach (var (name, value) in draft.Defaults)
        {
            if (!Name().IsMatch(name))
            {
                faults.Malformed(
                    $"defaults.{name}",
                    "the name must be that of a field: a-z, 0-9 and _, a letter first"
                );
            }

            CheckText(value ?? "", $"defaults.{name}", 200, faults);
            if (HasPlace(value))
            {
                faults.Malformed($"defaults.{name}", "has a place: a default arrives as it stands, so write it out");
            }
        }
    }

    public static bool HasPlace(string? text) =>
        text is not null
        && (text.Contains("{{", StringComparison.Ordinal) || text.Contains("}}", StringComparison.Ordinal));

    public static void CheckWords(TemplateDraft draft, TemplateOptions options, FaultList faults)
    {
        foreach (var word in options.Forbidden)
        {
            var written = Texts(draft)
                .Concat(draft.Defaults.Select(one => (Path: $"defaults.{one.Key}", Text: one.Value ?? "")));
            var found = written.Where(part => Says(part.Text, word)).ToList();
            foreach (var (path, _) in found)
            {
                faults.Invalid("forbidden-wording", path, $"says '{word}', which no advertisement of a bank may say");
            }

            var together = Texts(draft).Where(part => found.Count == 0 && Says(Filled(part.Text, draft), word));
            foreach (var (path, _) in together)
            {
                faults.Invalid(
                    "forbidden-wording",
                    path,
                    $"says '{word}' with its defaults, which no advertisement of a bank may say"
                );
            }
        }
    }

    /// <summary>As it reads for whoever has none of the fields; a place without a default stays as it is.</summary>
    public static string Filled(string text, TemplateDraft draft) =>
        Place().Replace(text, place => draft.Defaults.GetValueOrDefault(place.Groups["name"].Value) ?? place.Value);

    private static bool Says(string text, string word) =>
        Plain(text).Contains(Plain(word), StringComparison.OrdinalIgnoreCase);

    /// <param name="fields">The field catalogue.</param>
    public static void CheckVariables(TemplateDraft draft, IReadOnlyDictionary<string, Field> fields, FaultList faults)
    {
        foreach (var (path, text) in Texts(draft))
        {
            var rest = Place()
                .Replace(
                    text,
                    place =>
                    {
                        var name = place.Groups["name"].Value;
                        if (!fields.ContainsKey(name) && !draft.Defaults.ContainsKey(name))
                        {
                            faults.Invalid(
                                "unknown-variable",
                                path,
                                $"names {{{{{name}}}}}, which is no field of the catalogue and has no default"
                            );
                        }

                        if (fields.GetValueOrDefault(name) is { Sensitive: true } && !draft.Defaults.ContainsKey(name))
                        {
                            faults.Invalid(
                                "sensitive-without-default",
                                path,
                                $"names {{{{{name}}}}}, which is sensitive: give it a default, for whoever has not "
                                    + "consented to its use gets that"
                            );
                        }

                        return "";
                    }
                );
            if (HasPlace(rest))
            {
                faults.Malformed(path, "has a place that cannot be read: write {{field_name}}");
            }
        }
    }

    /// <param name="most">Segments.</param>
    public static void CheckLength(SmsLength length, int most, FaultList faults)
    {
        if (length.Segments > most)
        {
            faults.Invalid(
                "sms-too-long",
                "text",
                $"would arrive in {length.Segments} segments of {Json.ProductJson.NameOf(length.Encoding)} "
                    + $"({length.Characters} characters with the sender and the way to refuse), where {most} are allowed: "
                    + "shorten it"
            );
        }
    }

    /// <summary>Names of the places of a text, each as often as it stands there.</summary>
    public static IEnumerable<string> Variables(string text) =>
        Place().Matches(text).Select(place => place.Groups["name"].Value);

    /// <summary>What the gateway of the channel asks.</summary>
    public static void CheckGateway(TemplateDraft draft, GatewayDeclaration gateway, FaultList faults)
    {
        if (!gateway.Purposes.Contains(draft.Purpose))
        {
            faults.Invalid(
                "purpose-not-carried",
                "purpose",
                $"{gateway.Name} does not carry {Json.ProductJson.NameOf(draft.Purpose)} messages"
            );
        }

        if (!gateway.Variables && Texts(draft).Any(part => Place().IsMatch(part.Text)))
        {
            faults.Invalid(
                "variables-not-allowed",
                "text",
                $"{gateway.Name} sends one content to all: a template for it has no variables"
            );
        }

        if (gateway.NeedsProviderTemplate && string.IsNullOrWhiteSpace(draft.ProviderTemplate))
        {
            faults.Invalid(
                "provider-template-missing",
                "providerTemplate",
                $"{gateway.Name} sends its own templates only"
            );
        }

        CheckOnce("sender", "names the sender 【…】", Bracketed(), gateway.Sender, draft, faults);
        if (draft.Purpose == Purpose.Marketing)
        {
            CheckOnce("refusal", "says how to refuse (拒收请回复R)", Refusal(), gateway.Refusal, draft, faults);
        }
    }

    // As it is written for whoever has every field, and with its defaults for whoever has none.
    private static void CheckOnce(
        string what,
        string says,
        Regex saying,
        AddedBy by,
        TemplateDraft draft,
        FaultList faults
    )
    {
        if (by == AddedBy.NotNeeded)
        {
            return;
        }

        var added = by == AddedBy.Gateway ? 1 : 0;
        var written = saying.Count(draft.Text) + added;
        var filled = saying.Count(Filled(draft.Text, draft)) + added;
        if (written == 0 || filled == 0)
        {
            faults.Invalid($"{what}-missing", "text", $"the message would arrive where nothing {says}");
        }
        else if (written > 1 || filled > 1)
        {
            var guilty = draft.Defaults.FirstOrDefault(one => saying.IsMatch(one.Value ?? "")).Key;
            faults.Invalid(
                $"{what}-repeated",
                written > 1 || guilty is null ? "text" : $"defaults.{guilty}",
                $"the message would arrive with more than one place that {says}"
            );
        }
    }

    private static void CheckText(string? text, string path, int longest, FaultList faults)
    {
        if (text is null)
        {
            return;
        }

        if (string.IsNullOrWhiteSpace(text) || text.Length > longest)
        {
            faults.Malformed(path, $"must have 1 to {longest} characters");
        }

        if (Customers.Texts.FindFault(text, lineBreaks: path == "text") is { } fault)
        {
            faults.Malformed(path, fault);
        }
    }

    private static IEnumerable<(string Path, string Text)> Texts(TemplateDraft draft) =>
        draft.Title is { } title ? [("title", title), ("text", draft.Text)] : [("text", draft.Text)];

    // Spaces and marks without width do not make a forbidden word another.
    private static string Plain(string text) =>
        string.Concat(text.EnumerateRunes().Where(rune => !Rune.IsWhiteSpace(rune) && !IsWithoutWidth(rune)));

    private static bool IsWithoutWidth(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.Format or UnicodeCategory.NonSpacingMark;

    [GeneratedRegex(
        @"\A[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8}){0,3}\z",
        RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000
    )]
    private static partial Regex Language();

    [GeneratedRegex(@"\A[a-z][a-z0-9_]{0,62}\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Name();

    [GeneratedRegex(@"\{\{\s*(?<name>[a-z][a-z0-9_]{0,62})\s*\}\}", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Place();

    [GeneratedRegex("【[^【】]{1,30}】", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Bracketed();

    [GeneratedRegex(
        @"(拒收|退订)请?(回复?|发送?)?\s*(TD|T|R|退订)|(回复?|发送?)\s*(TD|T|R)\s*(退订|拒收)",
        RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture,
        1000
    )]
    private static partial Regex Refusal();
}
