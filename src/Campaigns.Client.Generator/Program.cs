using System.Text.Json.Nodes;
using Campaigns.Client.Generator;

if (args is not [var document, var folder])
{
    Console.Error.WriteLine("Usage: Campaigns.Client.Generator <openapi document> <folder of the generated files>");
    return 2;
}

var api = JsonNode.Parse(await File.ReadAllTextAsync(document))!.AsObject();
foreach (var (name, text) in ClientSource.Of(api))
{
    await File.WriteAllTextAsync(Path.Combine(folder, name), text);
}

return 0;
