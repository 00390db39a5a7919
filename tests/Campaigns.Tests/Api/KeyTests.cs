using System.Net;
using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Endpoints;
using Campaigns.Tests.Support;
using Dapper;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Tests.Api;

public sealed class KeyTests(ApiHostFixture host) : IClassFixture<ApiHostFixture>
{
    private readonly ApiHost _api = host.Api;

    [Fact]
    public async Task The_first_start_writes_an_administrators_key_that_only_its_owner_can_read()
    {
        await using var api = await ApiHost.StartAsync();

        var credential = (await File.ReadAllTextAsync(api.AdminKeyFile)).Trim();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(api.AdminKeyFile));
        using var admin = api.WithKey(credential);
        var keys = await admin.GetAsync("/v1/keys").ReadAsync<ApiKeyList>();
        Assert.Equal("first administrator", Assert.Single(keys.Items).Name);
    }

    [Fact]
    public async Task A_second_start_on_the_same_database_writes_no_key()
    {
        await using var database = await Databases.CreateAsync();
        await using var first = await ApiHost.StartAsync(database);
        await using var second = await ApiHost.StartAsync(database);
        Assert.True(File.Exists(first.AdminKeyFile));
        Assert.False(File.Exists(second.AdminKeyFile));
    }

    [Fact]
    public async Task A_secret_is_shown_once_and_stored_nowhere()
    {
        var made = await _api.As(Role.Admin)
            .PostAsync("/v1/keys", new ApiKeyRequest { Name = "mobile backend", Role = Role.Backend })
            .ReadAsync<NewApiKey>();

        var secret = made.Secret.Split('.')[1];
        var listed = await (await _api.As(Role.Admin).GetAsync("/v1/keys")).Content.ReadAsStringAsync();
        Assert.Contains(made.Key.KeyId, listed, StringComparison.Ordinal);
        Assert.DoesNotContain(secret, listed, StringComparison.Ordinal);
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        var stored = await connection.QueryAsync<string>(
            "SELECT k::text FROM api_key k UNION ALL SELECT a::text FROM audit a UNION ALL SELECT i::text FROM idempotency i"
        );
        Assert.All(stored, row => Assert.DoesNotContain(secret, row, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_revoked_key_is_refused_at_once()
    {
        var key = await _api.NewKeyAsync(Role.Admin);
        using var client = _api.WithKey(key.Secret);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/v1/keys")).StatusCode);

        var revoked = await _api.As(Role.Admin).DeleteAsync($"/v1/keys/{key.Key.KeyId}");
        Assert.Equal(HttpStatusCode.NoContent, revoked.StatusCode);
        await client.GetAsync("/v1/keys").RefusedAsync(401, "unauthenticated");
    }

    [Fact]
    public async Task An_expired_key_is_refused()
    {
        var key = await _api.NewKeyAsync(Role.Admin);
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            "UPDATE api_key SET expires_at = now() - interval '1 second' WHERE key_id = @KeyId",
            new { key.Key.KeyId }
        );

        using var client = _api.WithKey(key.Secret);
        await client.GetAsync("/v1/keys").RefusedAsync(401, "unauthenticated");
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("ck0123456789abcdef.c2VjcmV0")]
    [InlineData(".")]
    [InlineData("ck0123456789abcdef.")]
    public async Task A_credential_that_is_no_key_is_refused(string credential)
    {
        using var client = _api.WithKey(credential);
        var refused = await client.GetAsync("/v1/keys");
        Assert.Equal("Bearer", refused.Headers.WwwAuthenticate.ToString());
        await Task.FromResult(refused).RefusedAsync(401, "unauthenticated");
    }

    [Fact]
    public async Task The_right_id_with_a_wrong_secret_is_refused()
    {
        var key = await _api.NewKeyAsync(Role.Admin);
        using var client = _api.WithKey(key.Secret[..^2] + "AA");
        await client.GetAsync("/v1/keys").RefusedAsync(401, "unauthenticated");
    }

    [Fact]
    public async Task A_key_in_the_address_is_refused_with_advice()
    {
        var key = await _api.NewKeyAsync(Role.Admin);
        var problem = await _api
            .Anonymous.GetAsync($"/v1/keys?access_token={key.Secret}")
            .RefusedAsync(401, "unauthenticated");
        Assert.Contains("revoke", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_credentials_are_one_too_many()
    {
        var (one, other) = (await _api.NewKeyAsync(Role.Admin), await _api.NewKeyAsync(Role.Marketer));
        var request = new HttpRequestMessage(HttpMethod.Get, "/v1/keys");
        Assert.True(
            request.Headers.TryAddWithoutValidation("Authorization", [$"Bearer {one.Secret}", $"Bearer {other.Secret}"])
        );
        await _api.Anonymous.SendAsync(request).RefusedAsync(400, "ambiguous-credentials");
        using var client = _api.WithKey(one.Secret);
        await client.GetAsync($"/v1/keys?api_key={other.Secret}").RefusedAsync(400, "ambiguous-credentials");
    }

    [Fact]
    public async Task A_role_without_the_right_is_refused()
    {
        await _api.As(Role.Marketer).GetAsync("/v1/keys").RefusedAsync(403, "forbidden");
    }

    [Fact]
    public async Task A_wrong_request_for_a_key_names_every_field()
    {
        var problem = await _api.As(Role.Admin)
            .PostAsync(
                "/v1/keys",
                new ApiKeyRequest
                {
                    Name = " ",
                    Role = Role.Partner,
                    ExpiresAt = DateTimeOffset.UnixEpoch,
                }
            )
            .RefusedAsync(400, "validation-failed");
        Assert.Equal(["expiresAt", "name", "partnerId"], problem.Errors.Select(error => error.Path).Order());
    }

    [Fact]
    public async Task Nothing_is_open_but_health_and_what_proves_itself()
    {
        var open = _api
            .Services.GetRequiredService<EndpointDataSource>()
            .Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint =>
                endpoint.Metadata.GetMetadata<IAllowAnonymous>() is not null
                || endpoint.Metadata.GetMetadata<OpenTo>() is null
            )
            .Select(endpoint => endpoint.RoutePattern.RawText!)
            .ToList();

        Assert.Contains("/health", open);
        Assert.All(
            open,
            route =>
                Assert.True(
                    route is "/health" or "/health/live"
                        || route.StartsWith("/v1/callbacks/", StringComparison.Ordinal),
                    $"{route} is open to everyone"
                )
        );
    }

    [Fact]
    public async Task Health_says_what_the_node_is()
    {
        var health = await _api.Anonymous.GetAsync("/health").ReadAsync<Health>();
        Assert.Equal("ready", health.Status);
        Assert.Equal("api", health.Role);
        Assert.True(health.Migrations > 0);
        Assert.Equal(TimeSpan.Zero, health.ClockOffset);
        Assert.InRange(health.ClockSkew!.Value, -2, 2);
    }

    [Theory]
    [InlineData("/swagger/index.html")]
    [InlineData("/swagger/v1/swagger.json")]
    public async Task Swaggers_own_files_are_open(string path)
    {
        Assert.Equal(HttpStatusCode.OK, (await _api.Anonymous.GetAsync(path)).StatusCode);
    }

    [Fact]
    public async Task A_worker_answers_nothing_but_health()
    {
        await using var api = await ApiHost.StartAsync(role: "worker");
        Assert.Equal(HttpStatusCode.OK, (await api.Anonymous.GetAsync("/health")).StatusCode);
        await api.As(Role.Admin).GetAsync("/v1/keys").RefusedAsync(404, "not-found");
    }
}
