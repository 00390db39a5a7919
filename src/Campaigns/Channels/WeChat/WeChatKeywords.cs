using System.Text;
using System.Text.RegularExpressions;

namespace Campaigns.Channels.WeChat;

/// <summary>What a template or subscribe message says: values of the keywords that the provider's template names, each of a
/// type with a form and a length of its own. Ours writes a keyword a line, <c>thing1: 您的信用卡{{card}}</c>.</summary>
internal static partial class WeChatKeywords
{
    private const RegexOptions Plain = RegexOptions.CultureInvariant;

    private static readonly Dictionary<string, (int Longest, Regex? Form, string Words)> Types = new()
    {
        ["thing"] = (20, null, "at most 20 characters"),
        ["const"] = (20, null, "at most 20 characters"),
        ["enum"] = (20, null, "a value of the provider's list"),
        ["number"] = (32, Of(@"\d+(\.\d+)?"), "a number of at most 32 digits"),
        ["letter"] = (32, Of("[A-Za-z]+"), "at most 32 letters"),
        ["symbol"] = (5, Of(@"[^\w\s]+"), "at most 5 signs"),
        ["character_string"] = (32, Of(@"[^\p{IsCJKUnifiedIdeographs}]+"), "at most 32 letters, digits and signs"),
        ["time"] = (50, Of(@".*\d{1,2}:\d{2}.*"), "a time, such as 2026年9月1日 15:01"),
        ["date"] = (50, Of(@"\d{1,4}[年月./-].*\d.*"), "a date, such as 2026年9月1日"),
        ["amount"] = (20, Of(@"[^\w\s]?\d{1,10}(\.\d+)?元?"), "an amount of at most 10 digits, such as ¥100.50"),
        ["phone_number"] = (17, Of(@"[\d+() -]+"), "a telephone number of at most 17 characters"),
        ["car_number"] = (8, null, "at most 8 characters"),
        ["name"] = (
            20,
            Of(@"[^\p{IsCJKUnifiedIdeographs}]{1,20}|.{1,10}"),
            "at most 10 characters with 汉字, or 20 without"
        ),
        ["phrase"] = (5, Of(@"\p{IsCJKUnifiedIdeographs}+"), "at most 5 汉字"),
    };

    /// <summary>What the provider would refuse in a text whose <c>{{variables}}</c> nobody has filled in yet: what they may
    /// become is checked for each customer.</summary>
    internal static IEnumerable<string> FaultsOf(string text)
    {
        var seen = new HashSet<string>();
        foreach (var line in Lines(text))
        {
            if (Keyword().Match(line) is not { Success: true } keyword || !Types.ContainsKey(TypeOf(keyword)))
            {
                yield return "has a line that is no keyword: write 'thing1: …', one a line, of the types "
                    + string.Join(", ", Types.Keys);
                continue;
            }

            var (name, value) = (keyword.Groups["name"].Value, keyword.Groups["value"].Value);
            if (!seen.Add(name))
            {
                yield return $"names {name} twice";
            }

            var type = Types[TypeOf(keyword)];
            var rest = Place().Replace(value, "");
            if (rest.Length == value.Length ? !Fits(type, value) : Count(rest) > type.Longest)
            {
                yield return $"says more or other than {name} may: it is {type.Words}";
            }
        }

        if (seen.Count == 0)
        {
            yield return "has no keyword";
        }
    }

    /// <summary>The message's data for one customer; null where a variable is missing or a value is not what its keyword may
    /// be. Lines are told apart before they are filled in, so a customer's value names no keyword.</summary>
    internal static Dictionary<string, object>? Fill(string text, IReadOnlyDictionary<string, string> variables)
    {
        var data = new Dictionary<string, object>();
        foreach (var line in Lines(text))
        {
            if (
                Keyword().Match(line) is not { Success: true } keyword
                || !Types.TryGetValue(TypeOf(keyword), out var type)
                || ProviderWords.Fill(keyword.Groups["value"].Value, variables)?.Trim() is not { } value
                || !Fits(type, value)
                || !data.TryAdd(keyword.Groups["name"].Value, new { value })
            )
            {
                return null;
            }
        }

        return data.Count == 0 ? null : data;
    }

    private static bool Fits((int Longest, Regex? Form, string Words) type, string value) =>
        value.Length > 0
        && Count(value) <= type.Longest
        && !value.Any(char.IsControl)
        && (type.Form is null || type.Form.IsMatch(value));

    private static int Count(string value) => value.EnumerateRunes().Count();

    private static string TypeOf(Match keyword) => keyword.Groups["type"].Value;

    private static IEnumerable<string> Lines(string text) =>
        text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static Regex Of(string form) => new($@"\A(?:{form})\z", Plain, TimeSpan.FromSeconds(1));

    [GeneratedRegex(@"\A(?<name>(?<type>[a-z_]+)\d{1,3})\s*[:：]\s*(?<value>.*)\z", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Keyword();

    [GeneratedRegex(@"\{\{\s*[\w.\-]+\s*\}\}", RegexOptions.None, 1000)]
    private static partial Regex Place();
}
