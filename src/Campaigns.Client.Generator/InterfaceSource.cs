using System.Text.Json.Nodes;

namespace Campaigns.Client.Generator;

/// <summary>The Refit interface: a method an operation.</summary>
internal static class InterfaceSource
{
    private static readonly HashSet<string> Verbs = ["get", "put", "post", "delete", "patch"];

    public static string Of(JsonObject paths)
    {
        var code = new CodeWriter();
        code.Line("#if FULL_FEED");
        code.Line("using Refit;");
        code.Line();
        code.Line("namespace Campaigns.Client;");
        code.Line();
        code.Summary(
            "Everything the service answers to. A refusal is an ApiException; its content is a Problem. The key goes into "
                + "the Authorization header of the HttpClient."
        );
        code.Open("public interface ICampaignsApi");
        var operations =
            from path in paths
            from verb in path.Value!.AsObject()
            where Verbs.Contains(verb.Key) && !IsForProviders(verb.Value!)
            orderby verb.Value!["operationId"]!.ToString()
            select (path.Key, verb.Key, verb.Value!.AsObject());
        var first = true;
        foreach (var (path, verb, operation) in operations)
        {
            if (!first)
            {
                code.Line();
            }

            first = false;
            Method(code, path, verb, operation);
        }

        code.Close();
        code.Line("#endif");
        return code.ToString();
    }

    private static bool IsForProviders(JsonNode operation) =>
        operation["tags"]!.AsArray().Any(tag => tag!.ToString() == "Callbacks");

    private static void Method(CodeWriter code, string path, string verb, JsonObject operation)
    {
        code.Summary($"{operation["summary"]!.ToString().TrimEnd('?', '.')}. {operation["description"]}");
        var answer = Answer(operation);
        var body = Body(operation);
        string?[] headers =
        [
            answer is null ? null : "\"Accept: application/json\"",
            body is null or "HttpContent" ? null : "\"Content-Type: application/json\"",
        ];
        if (headers.Any(header => header is not null))
        {
            code.Line($"[Headers({string.Join(", ", headers.Where(header => header is not null))})]");
        }

        code.Line($"[{CodeWriter.Pascal(verb)}(\"{path}\")]");
        var parameters = Parameters(operation, body).Append("CancellationToken cancellationToken = default");
        code.Line(
            $"Task{(answer is null ? "" : $"<{answer}>")} {CodeWriter.Pascal(operation["operationId"]!.ToString())}Async("
                + $"{string.Join(", ", parameters)});"
        );
    }

    private static IEnumerable<string> Parameters(JsonObject operation, string? body)
    {
        var declared = (operation["parameters"] as JsonArray ?? []).Select(parameter => parameter!.AsObject()).ToList();
        var required = declared.Where(parameter => parameter["required"]?.GetValue<bool>() == true);
        var optional = declared.Where(parameter => parameter["required"]?.GetValue<bool>() != true);
        return
        [
            .. required.Select(parameter => Parameter(parameter, isOptional: false)),
            .. body is null ? Array.Empty<string>() : [$"[Body] {body} body"],
            .. optional.Select(parameter => Parameter(parameter, isOptional: true)),
        ];
    }

    private static string Parameter(JsonObject parameter, bool isOptional)
    {
        var name = parameter["name"]!.ToString();
        var type = TypeNames.Of(parameter["schema"]!.AsObject());
        var attribute = parameter["in"]!.ToString() switch
        {
            "header" => $"[Header(\"{name}\")] ",
            "query" when type == "DateTimeOffset" => "[Query(Format = \"O\")] ",
            "query" => "[Query] ",
            _ => "",
        };
        var pascal = CodeWriter.Pascal(name);
        var variable = char.ToLowerInvariant(pascal[0]) + pascal[1..];
        return $"{attribute}{type}{(isOptional ? "?" : "")} {variable}{(isOptional ? " = null" : "")}";
    }

    private static string? Body(JsonObject operation)
    {
        if (operation["requestBody"] is not JsonObject body)
        {
            return null;
        }

        var json = body["content"]!["application/json"];
        return json is null ? "HttpContent" : TypeNames.Of(json["schema"]!.AsObject());
    }

    /// <summary>Null where nothing is answered.</summary>
    private static string? Answer(JsonObject operation)
    {
        var success = operation["responses"]!.AsObject().First(response => response.Key[0] == '2').Value!;
        return success["content"]?["application/json"]?["schema"] is JsonObject schema ? TypeNames.Of(schema) : null;
    }
}
