using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Campaigns.Access;
using Campaigns.Tests.Lifecycle;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Api;

public sealed class StoryTests
{
    private const string Launched = "new-citizens-payday";

    [Fact]
    public async Task The_request_files_are_one_story_and_the_examples_run_after_it()
    {
        await using var api = await ApiHost.StartAsync(role: "all", settings: GivenCampaign.Sms);
        var admin = (await File.ReadAllTextAsync(api.AdminKeyFile)).Trim();
        using var http = new HttpClient();
        var story = new HttpStory(http, new Dictionary<string, string> { ["CAMPAIGNS_ADMIN_KEY"] = admin });
        var files = Directory.GetFiles(Path.Combine(Repository.Root, "http-requests"), "*.http").Order().ToList();
        Assert.StartsWith("01-", Path.GetFileName(files[0]), StringComparison.Ordinal);
        foreach (var file in files)
        {
            var host = new Dictionary<string, string> { ["host"] = api.Address.ToString().TrimEnd('/') };
            await story.TellAsync(Path.GetFileName(file), await File.ReadAllTextAsync(file), host);
        }

        Assert.True(story.Sent >= 50);
        using var everybody = api.WithKey(admin);
        await PrepareAsync(everybody);
        await ExamplesAsync(everybody, api.As(Role.Approver));
    }

    /// <summary>What the demo has and the story has not: its own customers, and its campaign, launched.</summary>
    private static async Task PrepareAsync(HttpClient admin)
    {
        await SendAsync(
            admin,
            HttpMethod.Put,
            "/v1/fields/occupation",
            """{"type":"enum","options":["office","retail"]}"""
        );
        foreach (var id in new[] { "C000000001", "C000000002", "C000000003", "C000000007" })
        {
            await SendAsync(
                admin,
                HttpMethod.Put,
                $"/v1/customers/{id}",
                """
                {
                  "attributes": {"name": "刘欣怡", "balance": 261.19, "monthly_salary": 10100},
                  "tags": ["new-citizen", "payroll"],
                  "addresses": {"pushId": "push000000000007"},
                  "birthDate": "1972-08-09"
                }
                """
            );
        }

        await SendAsync(admin, HttpMethod.Post, "/v1/consents", Consents("marketing", "sensitive"));
        var story = JsonNode.Parse(await admin.GetStringAsync("/v1/campaigns/new-citizens-spring"))!;
        await SendAsync(admin, HttpMethod.Put, $"/v1/campaigns/{Launched}", story["definition"]!.ToJsonString());
    }

    private static string Consents(params string[] purposes) =>
        new JsonObject
        {
            ["consents"] = new JsonArray([
                .. purposes.Select(purpose => new JsonObject
                {
                    ["customerId"] = "C000000007",
                    ["purpose"] = purpose,
                    ["granted"] = true,
                    ["source"] = "app-settings",
                    ["occurredAt"] = "2025-07-21T14:48:00+08:00",
                }),
            ]),
        }.ToJsonString();

    private static async Task ExamplesAsync(HttpClient admin, HttpClient approver)
    {
        var document = JsonNode.Parse(await System.IO.File.ReadAllTextAsync(OpenApiTests.File))!;
        var operations = (
            from path in document["paths"]!.AsObject()
            from verb in path.Value!.AsObject()
            where !path.Key.StartsWith("/v1/callbacks/", StringComparison.Ordinal) // they prove themselves
            select new Example(path.Key, verb.Key, verb.Value!.AsObject())
        ).ToDictionary(example => example.Name);

        // The demo's campaign is launched: the same operations, on the other id.
        await RunAsync(admin, operations["previewCampaign"] with { Campaign = Launched });
        await RunAsync(admin, operations["submitCampaign"] with { Campaign = Launched });
        await RunAsync(approver, operations["approveCampaign"] with { Campaign = Launched });
        await RunAsync(admin, operations["launchCampaign"] with { Campaign = Launched });
        await Eventually.BeAsync(
            () => admin.GetStringAsync($"/v1/campaigns/{Launched}/run"),
            run => JsonNode.Parse(run)!["state"]!.ToString() == "planned",
            "the run is planned"
        );

        string[] inOrder =
        [
            "putField",
            "putMapping",
            "putCustomer",
            "putCustomers",
            "putTester",
            "sendTest",
            "putCampaign",
            "submitCampaign",
            "rejectCampaign",
            "submitCampaign",
            "approveCampaign",
            "launchCampaign",
            "pauseCampaign",
            "resumeCampaign",
            "stopChannel",
            "startChannel",
        ];
        foreach (var name in inOrder)
        {
            await RunAsync(name is "approveCampaign" or "rejectCampaign" ? approver : admin, operations[name]);
        }

        var rest = operations.Keys.Except(inOrder).Order(StringComparer.Ordinal).ToList();
        string[] last = ["cancelCampaign", "archiveSegment", "eraseCustomer"];
        foreach (var name in rest.Except(last).Concat(last))
        {
            if (operations[name].IsComplete)
            {
                await RunAsync(admin, operations[name]);
            }
        }
    }

    private sealed record Example(string Path, string Verb, JsonObject Operation)
    {
        public string Name => Operation["operationId"]!.ToString();

        /// <summary>Another campaign than the example's.</summary>
        public string? Campaign { get; init; }

        private IEnumerable<JsonNode> Needed =>
            (Operation["parameters"] as JsonArray ?? []).Where(p => p!["required"]?.GetValue<bool>() == true)!;

        /// <summary>Whether every parameter that has to be given has an example.</summary>
        public bool IsComplete => Needed.All(parameter => parameter["example"] is not null);

        public HttpRequestMessage ToRequest()
        {
            var path = Path;
            var query = new List<string>();
            foreach (var parameter in Needed)
            {
                var name = parameter["name"]!.ToString();
                var value = name == "campaignId" && Campaign is not null ? Campaign : parameter["example"]!.ToString();
                if (parameter["in"]!.ToString() == "query")
                {
                    query.Add($"{name}={Uri.EscapeDataString(value)}");
                }

                path = path.Replace($"{{{name}}}", value, StringComparison.Ordinal);
            }

            var request = new HttpRequestMessage(
                new HttpMethod(Verb.ToUpperInvariant()),
                query.Count == 0 ? path : $"{path}?{string.Join('&', query)}"
            );
            if (Operation["requestBody"]?["content"]?.AsObject().First() is { } content)
            {
                var example = content.Value!["example"]!;
                var text = content.Key == "application/json" ? example.ToJsonString() : example.ToString();
                request.Content = new StringContent(text, Encoding.UTF8, MediaTypeHeaderValue.Parse(content.Key));
            }

            return request;
        }
    }

    private static async Task RunAsync(HttpClient client, Example example)
    {
        using var request = example.ToRequest();
        if (example.Name is "approveCampaign" or "rejectCampaign")
        {
            using var read = await client.GetAsync(
                request
                    .RequestUri!.ToString()
                    .Replace("/approve", "", StringComparison.Ordinal)
                    .Replace("/reject", "", StringComparison.Ordinal)
            );
            request.Headers.IfMatch.Add(read.Headers.ETag!);
        }

        using var response = await client.SendAsync(request);
        var body = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"The example of {example.Name}: {(int)response.StatusCode} {body}");
        if (response.Content.Headers.ContentType?.MediaType == "application/json")
        {
            using var answer = JsonDocument.Parse(body);
            Assert.False(
                answer.RootElement.TryGetProperty("refused", out var refused) && refused.GetInt32() > 0,
                $"The example of {example.Name}: {body}"
            );
        }
    }

    private static async Task SendAsync(HttpClient client, HttpMethod method, string path, string json)
    {
        using var response = await client.SendJsonAsync(method, path, json);
        Assert.True(response.IsSuccessStatusCode, $"{path}: {await response.Content.ReadAsStringAsync()}");
    }
}
