using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Api;

/// <summary>Sends .http files as an editor would, from top to bottom: variables of the file, of the environment, and of
/// named requests' answers.</summary>
internal sealed partial class HttpStory(HttpClient http, IReadOnlyDictionary<string, string> environment)
{
    private readonly Dictionary<string, string> _variables = [];
    private readonly Dictionary<string, (HttpResponseMessage Response, string Body)> _answers = [];

    /// <summary>How many requests were sent.</summary>
    public int Sent { get; private set; }

    /// <param name="text">Of one file; names of an earlier file are forgotten.</param>
    /// <param name="variables">Take the place of the file's own of the same name.</param>
    public async Task TellAsync(string file, string text, IReadOnlyDictionary<string, string> variables)
    {
        _variables.Clear();
        _answers.Clear();
        foreach (var block in Separator().Split(text.ReplaceLineEndings("\n")))
        {
            var request = ReadBlock(block, variables);
            if (request is not null)
            {
                await SendAsync(file, request);
            }
        }
    }

    private sealed record Asked(
        string Title,
        string? Name,
        string? Expect,
        (string Path, string Value)? Until,
        string Method,
        string Address,
        IReadOnlyList<(string Name, string Value)> Headers,
        string? Body
    );

    private Asked? ReadBlock(string block, IReadOnlyDictionary<string, string> variables)
    {
        var lines = new Queue<string>(block.Split('\n'));
        var title = lines.Dequeue().Trim('#', ' ');
        string? name = null;
        string? expect = null;
        (string, string)? until = null;
        while (lines.TryDequeue(out var line))
        {
            if (Directive().Match(line) is { Success: true } said)
            {
                var value = said.Groups["value"].Value;
                switch (said.Groups["what"].Value)
                {
                    case "@name":
                        name = value;
                        break;
                    case "Expect:":
                        expect = value;
                        break;
                    default:
                        until = (value.Split(" = ")[0], value.Split(" = ")[1]);
                        break;
                }
            }
            else if (Variable().Match(line) is { Success: true } variable)
            {
                var own = variable.Groups["name"].Value;
                _variables[own] = variables.GetValueOrDefault(own) ?? variable.Groups["value"].Value;
            }
            else if (RequestLine().Match(line) is { Success: true } first)
            {
                var headers = ReadHeaders(lines);
                var body = string.Join('\n', lines).Trim();
                return new Asked(
                    title,
                    name,
                    expect,
                    until,
                    first.Groups["method"].Value,
                    first.Groups["address"].Value,
                    headers,
                    body.Length == 0 ? null : body
                );
            }
        }

        return null;
    }

    private static List<(string, string)> ReadHeaders(Queue<string> lines)
    {
        var headers = new List<(string, string)>();
        while (lines.TryDequeue(out var line) && line.Length > 0)
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            headers.Add((line[..colon], line[(colon + 1)..].Trim()));
        }

        return headers;
    }

    private async Task SendAsync(string file, Asked asked)
    {
        var (response, body) = asked.Until is { } until
            ? await Eventually.BeAsync(
                () => SendOnceAsync(asked),
                answer => JsonNode.Parse(answer.Body)?[until.Path]?.ToString() == until.Value,
                $"{until.Path} is {until.Value}"
            )
            : await SendOnceAsync(asked);
        Sent++;
        var what =
            $"{file}: {asked.Title}: {asked.Method} {asked.Address} was answered with {(int)response.StatusCode} {body}";
        if (asked.Expect is { } expect)
        {
            var type = JsonNode.Parse(body)?["type"]?.ToString();
            Assert.True(expect == $"{(int)response.StatusCode} {type}", what);
        }
        else
        {
            Assert.True(response.IsSuccessStatusCode, what);
        }

        if (asked.Name is { } name)
        {
            _answers[name] = (response, body);
        }
    }

    private async Task<(HttpResponseMessage Response, string Body)> SendOnceAsync(Asked asked)
    {
        using var request = new HttpRequestMessage(new HttpMethod(asked.Method), Resolve(asked.Address));
        if (asked.Body is { } text)
        {
            request.Content = new StringContent(Resolve(text), Encoding.UTF8);
        }

        foreach (var (name, value) in asked.Headers.Select(header => (header.Name, Resolve(header.Value))))
        {
            if (name == "Content-Type")
            {
                request.Content!.Headers.ContentType = MediaTypeHeaderValue.Parse(value);
            }
            else
            {
                Assert.True(request.Headers.TryAddWithoutValidation(name, value));
            }
        }

        var response = await http.SendAsync(request);
        return (response, await response.Content.ReadAsStringAsync());
    }

    private string Resolve(string text) => Place().Replace(text, place => Value(place.Groups["what"].Value));

    private string Value(string what)
    {
        if (what.StartsWith("$processEnv ", StringComparison.Ordinal))
        {
            return environment[what["$processEnv ".Length..]];
        }

        var parts = what.Split(".response.");
        if (parts is [var variable])
        {
            Assert.True(_variables.TryGetValue(variable, out var value), $"There is no variable {variable}.");
            return Resolve(value);
        }

        var (response, body) = _answers[parts[0]];
        return parts[1].StartsWith("headers.", StringComparison.Ordinal)
            ? response.Headers.GetValues(parts[1]["headers.".Length..]).Single()
            : parts[1]
                ["body.$.".Length..]
                .Split('.')
                .Aggregate(JsonNode.Parse(body)!, (node, member) => node[member]!)
                .ToString();
    }

    [GeneratedRegex("^###", RegexOptions.Multiline, 1000)]
    private static partial Regex Separator();

    [GeneratedRegex(@"^# (?<what>@name|Expect:|Until:) (?<value>.+)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Directive();

    [GeneratedRegex(@"^@(?<name>\w+) = (?<value>.+)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Variable();

    [GeneratedRegex("^(?<method>GET|PUT|POST|DELETE) (?<address>.+)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex RequestLine();

    [GeneratedRegex(@"\{\{(?<what>[^{}]+)\}\}", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Place();
}
