using System.Text.Json.Nodes;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Api;

public sealed class OpenApiTests(ApiHostFixture host) : IClassFixture<ApiHostFixture>
{
    private const string Update = "CAMPAIGNS_UPDATE";
    private static readonly string[] Verbs = ["get", "put", "post", "delete", "patch"];

    internal static readonly string File = Path.Combine(Repository.Root, "openapi", "campaigns.v1.json");

    [Fact]
    public async Task The_document_is_the_one_that_is_committed()
    {
        var served = await host.Api.Anonymous.GetStringAsync("/swagger/v1/swagger.json");
        served = served.ReplaceLineEndings("\n").TrimEnd() + "\n";
        if (Environment.GetEnvironmentVariable(Update) is "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(File)!);
            await System.IO.File.WriteAllTextAsync(File, served);
        }

        var committed = (await System.IO.File.ReadAllTextAsync(File)).ReplaceLineEndings("\n");
        Assert.True(
            committed == served,
            $"openapi/campaigns.v1.json is out of date: run the tests once with {Update}=1."
        );
    }

    [Fact]
    public async Task Every_operation_has_a_name_a_summary_a_description_and_its_refusals()
    {
        var document = await DocumentAsync();
        var names = new HashSet<string>();
        foreach (var (path, operation) in Operations(document))
        {
            var name = operation["operationId"]?.ToString();
            Assert.True(name is not null, $"{path} has no name");
            Assert.True(names.Add(name), $"{name} is named twice");
            Assert.False(string.IsNullOrEmpty(operation["summary"]?.ToString()), $"{name} has no summary");
            Assert.False(string.IsNullOrEmpty(operation["description"]?.ToString()), $"{name} has no description");
            Assert.Single(operation["tags"]!.AsArray());
            if (path != "/health")
            {
                Assert.NotNull(operation["responses"]!["401"]);
            }

            // A provider has no key of ours; it is admitted by its own proof.
            if (path != "/health" && !path.StartsWith("/v1/callbacks/", StringComparison.Ordinal))
            {
                Assert.NotEmpty(operation["security"]!.AsArray());
            }
        }
    }

    [Fact]
    public async Task Every_type_has_a_name_that_a_program_can_use()
    {
        var schemas = (await DocumentAsync())["components"]!["schemas"]!.AsObject();
        Assert.All(schemas, schema => Assert.Matches("^[A-Z][A-Za-z0-9]*$", schema.Key));
    }

    [Fact]
    public async Task Every_body_has_an_example()
    {
        var without = Operations(await DocumentAsync())
            .Where(operation => operation.Operation["requestBody"] is not null)
            .Where(operation =>
                operation.Operation["requestBody"]!["content"]!
                    .AsObject()
                    .Any(content => content.Value!["example"] is null)
            )
            .Select(operation => operation.Operation["operationId"]!.ToString());
        Assert.Empty(without);
    }

    private async Task<JsonNode> DocumentAsync() =>
        JsonNode.Parse(await host.Api.Anonymous.GetStringAsync("/swagger/v1/swagger.json"))!;

    private static IEnumerable<(string Path, JsonNode Operation)> Operations(JsonNode document) =>
        from path in document["paths"]!.AsObject()
        from verb in path.Value!.AsObject()
        where Verbs.Contains(verb.Key)
        select (path.Key, verb.Value!);
}
