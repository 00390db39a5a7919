#if FULL_FEED
using System.Net.Http.Headers;
using System.Text.Json;
using Refit;

namespace Campaigns.Client;

/// <summary>Makes a client of the service.</summary>
public static class CampaignsClient
{
    /// <summary>A client for one key.</summary>
    /// <param name="http">Kept as long as the client is used.</param>
    /// <param name="address">The service's own address.</param>
    /// <param name="key">As it was shown when it was made: <c>keyId.secret</c>.</param>
    public static ICampaignsApi Create(HttpClient http, Uri address, string key)
    {
        http.BaseAddress = address;
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return RestService.For<ICampaignsApi>(http, Settings);
    }

    // What the contracts say of themselves is enough: Refit's own defaults would write enums in another case.
    private static readonly RefitSettings Settings = new(
        new SystemTextJsonContentSerializer(new JsonSerializerOptions(JsonSerializerDefaults.Web))
    )
    {
        // Refit would hide HttpRequestException, and the cancellation that is a timeout, in an exception of its own.
        TransportExceptionFactory = (_, failure, _) => failure,
    };
}
#endif
