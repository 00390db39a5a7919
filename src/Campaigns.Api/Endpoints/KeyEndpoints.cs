using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Results;

namespace Campaigns.Api.Endpoints;

/// <summary>A list of keys.</summary>
public sealed record ApiKeyList(IReadOnlyList<ApiKey> Items);

internal static class KeyEndpoints
{
    internal static void MapKeys(this IEndpointRouteBuilder app)
    {
        var keys = app.MapGroup("/keys").WithTags("Keys").RequireRole(Role.Admin);

        keys.MapPost(
                "",
                async (ApiKeyRequest request, Actor actor, ApiKeys module, CancellationToken cancellationToken) =>
                    (await module.CreateAsync(actor, request, cancellationToken)).ToCreated(made =>
                        $"/v1/keys/{made.Key.KeyId}"
                    )
            )
            .WithName("createKey")
            .WithSummary("Make a key")
            .WithDescription(
                "The secret is shown in this answer and never again; it goes into the Authorization header."
            )
            .WithMetadata(SecretAnswer.Instance);

        keys.MapGet(
                "",
                async (ApiKeys module, CancellationToken cancellationToken) =>
                    new ApiKeyList(await module.ListAsync(cancellationToken))
            )
            .WithName("listKeys")
            .WithSummary("List all keys, revoked ones too")
            .WithDescription("Newest first, without their secrets.");

        keys.MapDelete(
                "/{keyId}",
                async (string keyId, Actor actor, ApiKeys module, CancellationToken cancellationToken) =>
                    (await module.RevokeAsync(actor, keyId, cancellationToken)).ToHttp()
            )
            .WithName("revokeKey")
            .WithSummary("Revoke a key")
            .WithDescription(
                "Refused from now on; every node follows within a second. Revoking again changes nothing."
            );
    }
}
