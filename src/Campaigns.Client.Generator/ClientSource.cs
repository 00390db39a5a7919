using System.Text.Json.Nodes;

namespace Campaigns.Client.Generator;

/// <summary>The client's source, made from the OpenAPI document alone: the same document gives the same text.</summary>
internal static class ClientSource
{
    /// <summary>Name and text of each file.</summary>
    public static IReadOnlyList<(string Name, string Text)> Of(JsonObject api) =>
        [
            ("Contracts.g.cs", ContractSource.Of(api["components"]!["schemas"]!.AsObject())),
            ("ICampaignsApi.g.cs", InterfaceSource.Of(api["paths"]!.AsObject())),
        ];
}
