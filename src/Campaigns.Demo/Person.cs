using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;

namespace Campaigns.Demo;

/// <summary>Somebody with a key, who uses the HTTP API.</summary>
internal sealed class Person : IDisposable
{
    private readonly HttpClient _client;

    public Person(Uri api, string credential)
    {
        _client = new HttpClient { BaseAddress = api, Timeout = TimeSpan.FromMinutes(30) };
        _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", credential);
    }

    /// <summary>Has the administrator make a key, and is whoever holds it.</summary>
    public async Task<Person> MakeAsync(string role, string name, CancellationToken cancellationToken)
    {
        var made = await PostAsync<NewKey>("/v1/keys", new { name, role }, cancellationToken);
        return new Person(_client.BaseAddress!, made.Secret);
    }

    public Task<T> GetAsync<T>(string path, CancellationToken cancellationToken) =>
        SendAsync<T>(HttpMethod.Get, path, null, null, cancellationToken);

    public Task<T> PutAsync<T>(string path, object body, CancellationToken cancellationToken) =>
        SendAsync<T>(HttpMethod.Put, path, Json(body), null, cancellationToken);

    /// <param name="version">Sent as If-Match where given.</param>
    public Task<T> PostAsync<T>(string path, object? body, CancellationToken cancellationToken, int? version = null) =>
        SendAsync<T>(HttpMethod.Post, path, body is null ? null : Json(body), version, cancellationToken);

    /// <summary>Posts what is no JSON, such as a file.</summary>
    public Task<T> UploadAsync<T>(string path, HttpContent content, CancellationToken cancellationToken) =>
        SendAsync<T>(HttpMethod.Post, path, content, null, cancellationToken);

    public void Dispose() => _client.Dispose();

    private static JsonContent Json(object body) =>
        JsonContent.Create(body, body.GetType(), options: JsonSerializerOptions.Web);

    private async Task<T> SendAsync<T>(
        HttpMethod method,
        string path,
        HttpContent? content,
        int? version,
        CancellationToken cancellationToken
    )
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        if (version is not null)
        {
            request.Headers.TryAddWithoutValidation("If-Match", $"\"{version}\"");
        }

        using var response = await _client.SendAsync(request, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            var problem = await response.Content.ReadAsStringAsync(cancellationToken);
            throw new DemoException($"{method} {path} answered {(int)response.StatusCode}: {problem}")
            {
                Status = response.StatusCode,
            };
        }

        if (response.StatusCode == HttpStatusCode.NoContent)
        {
            return default!;
        }

        return await response.Content.ReadFromJsonAsync<T>(JsonSerializerOptions.Web, cancellationToken)
            ?? throw new JsonException($"{method} {path} answered null.");
    }
}

/// <summary>What the API answers, as far as it is read here.</summary>
internal sealed record NewKey(string Secret);
