using System.Security.Claims;
using System.Text.Encodings.Web;
using Campaigns.Access;
using Campaigns.Api.Edge;
using Campaigns.Results;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace Campaigns.Api.Auth;

/// <summary>Who asks: a key in the Authorization header, or a signed link where the endpoint takes one.</summary>
internal sealed class ApiKeyHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder,
    ApiKeys keys,
    SignedLinks links
) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "ApiKey";
    private const string Bearer = "Bearer ";

    private static readonly string[] QueryNames =
    [
        "key",
        "api_key",
        "apikey",
        "access_token",
        "token",
        "authorization",
    ];

    private static readonly Error Ambiguous = new(
        ErrorKind.Malformed,
        "ambiguous-credentials",
        "More than one credential was sent: send one, as Authorization: Bearer <key>."
    );

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var headers = Request.Headers.Authorization;
        if (headers.Count == 0)
        {
            return TakesLinks() && links.IsValid(Request) ? Success(SignedLinks.Reader) : AuthenticateResult.NoResult();
        }

        if (IsAmbiguous())
        {
            return AuthenticateResult.Fail("Two credentials.");
        }

        var header = (TakesPasswords() ? KeyAsPassword.Read(headers[0]) : null) ?? headers[0] ?? "";
        if (!header.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase))
        {
            return AuthenticateResult.Fail("Not a bearer key.");
        }

        var actor = await keys.AuthenticateAsync(header[Bearer.Length..].Trim(), Context.RequestAborted);
        return actor is null ? AuthenticateResult.Fail("Not a valid key.") : Success(actor);
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (IsAmbiguous())
        {
            return Problems.WriteAsync(Context, Ambiguous);
        }

        Response.Headers.WWWAuthenticate = TakesPasswords() ? KeyAsPassword.Challenge : "Bearer";
        return Problems.WriteAsync(Context, Problems.Unauthenticated(WhyNot()));
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) =>
        Problems.WriteAsync(Context, Problems.OfStatus(StatusCodes.Status403Forbidden));

    private string WhyNot()
    {
        if (Request.Headers.Authorization.Count > 0)
        {
            return "The key is not known, has expired or was revoked.";
        }

        if (HasKeyInQuery())
        {
            return "A key in an address ends up in logs: send it as Authorization: Bearer <key>, and revoke this one.";
        }

        return TakesLinks() && Request.Query.ContainsKey("signature")
            ? "The link has expired, or something but format and lang was added or changed: ask for one that is made for it."
            : "A key is needed: Authorization: Bearer <key>.";
    }

    // Clients and proxies join several values of a header with a comma, which no key has.
    private bool IsAmbiguous() =>
        Request.Headers.Authorization switch
        {
            [] => false,
            [{ } one] => HasKeyInQuery()
                || (
                    one.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
                    && one.Contains(',', StringComparison.Ordinal)
                ),
            _ => true,
        };

    private bool HasKeyInQuery() =>
        Request.Query.Keys.Any(name => QueryNames.Contains(name, StringComparer.OrdinalIgnoreCase));

    private bool TakesLinks() => Context.GetEndpoint()?.Metadata.GetMetadata<TakesSignedLinks>() is not null;

    private bool TakesPasswords() => Context.GetEndpoint()?.Metadata.GetMetadata<KeyAsPassword>() is not null;

    private static AuthenticateResult Success(Actor actor)
    {
        var identity = new ClaimsIdentity(SchemeName, ClaimTypes.NameIdentifier, ClaimTypes.Role);
        identity.AddClaim(new Claim(ClaimTypes.NameIdentifier, actor.Id));
        identity.AddClaim(new Claim(ClaimTypes.Role, actor.Role.ToString()));
        if (actor.PartnerId is { } partner)
        {
            identity.AddClaim(new Claim(Caller.PartnerClaim, partner));
        }

        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), SchemeName));
    }
}
