using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Campaigns.Access;
using Campaigns.Api.Edge;
using Campaigns.Api.Hosting;
using Campaigns.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Campaigns.Tests.Support;

/// <summary>The program itself on a real port, against a database of its own.</summary>
public sealed class ApiHost : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly string _folder;
    private readonly bool _ownsDatabase;
    private readonly Dictionary<string, HttpClient> _clients = [];

    private ApiHost(WebApplication app, TestDatabase database, bool ownsDatabase, string folder)
    {
        (_app, Database, _ownsDatabase, _folder) = (app, database, ownsDatabase, folder);
        Address = new Uri(
            app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()
        );
        Anonymous = new HttpClient { BaseAddress = Address };
    }

    public TestDatabase Database { get; }

    /// <summary>Where it listens, such as <c>http://127.0.0.1:40123</c>.</summary>
    public Uri Address { get; }

    public IServiceProvider Services => _app.Services;

    /// <summary>Somebody without a key.</summary>
    public HttpClient Anonymous { get; }

    /// <summary>Starts a node.</summary>
    /// <param name="database">Null for a fresh one, dropped with the host.</param>
    /// <param name="role"><c>api</c> answers requests only; <c>all</c> also plans and dispatches.</param>
    /// <param name="settings">Further configuration.</param>
    /// <param name="configure">Changes to the services, for clocks and gateways of the test's own.</param>
    public static async Task<ApiHost> StartAsync(
        TestDatabase? database = null,
        string role = "api",
        IReadOnlyDictionary<string, string?>? settings = null,
        Action<IServiceCollection>? configure = null,
        Action<WebApplication>? map = null
    )
    {
        var owns = database is null;
        database ??= await Databases.CreateAsync();
        var folder = Directory.CreateTempSubdirectory("campaigns-api-").FullName;
        var builder = WebApplication.CreateBuilder(
            new WebApplicationOptions { ApplicationName = "Campaigns.Api", ContentRootPath = AppContext.BaseDirectory }
        );
        builder.Configuration.AddInMemoryCollection(
            new Dictionary<string, string?>
            {
                ["ConnectionStrings:Campaigns"] = database.ConnectionString,
                ["Role"] = role,
                ["AdminKeyFile"] = Path.Combine(folder, "admin.key"),
                ["urls"] = "http://127.0.0.1:0",
                ["Addresses:Keys:1"] = Convert.ToBase64String(new byte[32]),
                ["Addresses:LookupKey"] = Convert.ToBase64String(new byte[32]),
            }
        );
        builder.Configuration.AddInMemoryCollection(settings ?? new Dictionary<string, string?>());
        builder.Logging.ClearProviders();
        builder.AddCampaigns();
        configure?.Invoke(builder.Services);
        var app = builder.Build();
        app.MapCampaigns();
        map?.Invoke(app);
        await app.StartAsync();
        return new ApiHost(app, database, owns, folder);
    }

    /// <summary>Somebody with a key of this role; the same person at every call with the same name.</summary>
    /// <param name="name">Tells people of one role apart.</param>
    public HttpClient As(Role role, string name = "somebody")
    {
        var person = $"{role}/{name}";
        if (!_clients.TryGetValue(person, out var client))
        {
            var key = NewKeyAsync(role, name).GetAwaiter().GetResult();
            client = WithKey(key.Secret);
            _clients.Add(person, client);
        }

        return client;
    }

    /// <summary>Somebody who presents this credential.</summary>
    public HttpClient WithKey(string credential)
    {
        var client = new HttpClient { BaseAddress = Address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", credential);
        return client;
    }

    /// <summary>A fresh key of this role.</summary>
    public async Task<NewApiKey> NewKeyAsync(Role role, string name = "somebody")
    {
        var made = await Services
            .GetRequiredService<ApiKeys>()
            .CreateAsync(
                Actor.Service,
                new ApiKeyRequest
                {
                    Name = name,
                    Role = role,
                    PartnerId = role == Role.Partner ? "partner-1" : null,
                },
                CancellationToken.None
            );
        return made.Value;
    }

    /// <summary>The credential in the file that the first start wrote.</summary>
    public string AdminKeyFile => Path.Combine(_folder, "admin.key");

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients.Values.Append(Anonymous))
        {
            client.Dispose();
        }

        await _app.StopAsync();
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        if (_ownsDatabase)
        {
            await Database.DisposeAsync();
        }
    }
}

/// <summary>One host for the tests of a class that do not mind each other.</summary>
public sealed class ApiHostFixture : IAsyncLifetime
{
    public ApiHost Api { get; private set; } = null!;

    public async Task InitializeAsync() => Api = await ApiHost.StartAsync();

    public async Task DisposeAsync() => await Api.DisposeAsync();
}

/// <summary>Short ways to ask and to read answers.</summary>
public static class HttpSteps
{
    /// <param name="seen">The version for If-Match; null for none.</param>
    public static Task<HttpResponseMessage> PutAsync<T>(
        this HttpClient client,
        string path,
        T body,
        int? seen = null
    ) => client.SendAsync(Request(HttpMethod.Put, path, body, seen));

    /// <inheritdoc cref="PutAsync{T}(HttpClient, string, T, int?)"/>
    public static Task<HttpResponseMessage> PostAsync<T>(
        this HttpClient client,
        string path,
        T body,
        int? seen = null
    ) => client.SendAsync(Request(HttpMethod.Post, path, body, seen));

    private static HttpRequestMessage Request<T>(HttpMethod method, string path, T body, int? seen)
    {
        var request = new HttpRequestMessage(method, path)
        {
            Content = JsonContent.Create(body, options: ProductJson.Options),
        };
        if (seen is { } version)
        {
            request.Headers.IfMatch.Add(new EntityTagHeaderValue($"\"{version}\""));
        }

        return request;
    }

    /// <summary>A POST or PUT of a text that need not be good JSON.</summary>
    public static Task<HttpResponseMessage> SendJsonAsync(
        this HttpClient client,
        HttpMethod method,
        string path,
        string json
    ) =>
        client.SendAsync(
            new HttpRequestMessage(method, path)
            {
                Content = new StringContent(json, System.Text.Encoding.UTF8, "application/json"),
            }
        );

    /// <summary>The body of a success; fails with the problem otherwise.</summary>
    public static async Task<T> ReadAsync<T>(this HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{(int)response.StatusCode} {text}");
        return JsonSerializer.Deserialize<T>(text, ProductJson.Options)!;
    }

    /// <inheritdoc cref="ReadAsync{T}(HttpResponseMessage)"/>
    public static async Task<T> ReadAsync<T>(this Task<HttpResponseMessage> response) =>
        await (await response).ReadAsync<T>();

    /// <summary>The problem of a refusal, which must have this status and type.</summary>
    public static async Task<Problem> RefusedAsync(this Task<HttpResponseMessage> asked, int status, string type)
    {
        using var response = await asked;
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(status == (int)response.StatusCode, $"{(int)response.StatusCode} {text}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = JsonSerializer.Deserialize<Problem>(text, ProductJson.Options)!;
        Assert.Equal(type, problem.Type);
        Assert.Equal(status, problem.Status);
        Assert.NotEmpty(problem.TraceId);
        return problem;
    }
}
