using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Campaigns.Tests.Support;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Campaigns.Tests.Receipts;

public sealed class CallbackTests : IAsyncLifetime
{
    private const string Reports = "/v1/callbacks/aliyun-sms/path-secret/reports";
    private LogLines Log { get; } = new();
    private ApiHost _host = null!;

    public async Task InitializeAsync() =>
        _host = await ApiHost.StartAsync(
            settings: new Dictionary<string, string?>
            {
                ["Channels:sms:Gateway"] = "bank-sms",
                ["Channels:sms:CallbackSecret"] = "signing-secret",
                ["Channels:sms:aliyun-sms:CallbackSecret"] = "path-secret",
                ["Channels:wechat:Gateway"] = "wechat-mass",
                ["Channels:wechat:CallbackSecret"] = "token",
                ["Channels:wechat:Account"] = "gh_1",
                ["Addresses:Keys:1"] = Convert.ToBase64String(new byte[32]),
                ["Addresses:LookupKey"] = Convert.ToBase64String(new byte[32]),
            },
            configure: services => services.AddSingleton<ILoggerProvider>(Log)
        );

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task Reports_are_taken_with_the_secret_of_the_path_and_answered_as_the_provider_wants()
    {
        using var answer = await PostAsync(Reports, "[]");

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("""{"code":0,"msg":"OK"}""", await answer.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("reports")]
    [InlineData("replies")]
    public async Task Entries_that_cannot_be_read_are_counted_in_theLog_and_not_shown(string what)
    {
        using var answer = await PostAsync(
            $"/v1/callbacks/aliyun-sms/path-secret/{what}",
            """[{"phone_number":"13812345678"},{"content":"I am Wang"}]"""
        );

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var line = Assert.Single(Log.Lines, line => line.Contains("2 entries", StringComparison.Ordinal));
        Assert.Contains($"aliyun-sms/{{secret}}/{what}", line, StringComparison.Ordinal);
        Assert.DoesNotContain("13812345678", line, StringComparison.Ordinal);
        Assert.DoesNotContain("Wang", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Late_reports_of_a_gateway_are_taken_after_another_took_its_place_as_long_as_it_has_a_secret()
    {
        var configuration = (IConfigurationRoot)_host.Services.GetRequiredService<IConfiguration>();
        using var late = await PostAsync(Reports, "[]");
        Assert.Equal(HttpStatusCode.OK, late.StatusCode);
        using var others = await PostAsync("/v1/callbacks/aliyun-sms/signing-secret/reports", "[]");
        Assert.Equal(HttpStatusCode.Unauthorized, others.StatusCode);

        configuration["Channels:sms:aliyun-sms:CallbackSecret"] = null;
        configuration.Reload();

        using var over = await PostAsync(Reports, "[]");
        Assert.Equal(HttpStatusCode.Unauthorized, over.StatusCode);
    }

    [Theory]
    [InlineData("/v1/callbacks/aliyun-sms/wrong/reports", "[]", 401)]
    [InlineData("/v1/callbacks/aliyun-sms/wrong/replies", "[]", 401)]
    [InlineData(Reports, "{}", 400)]
    [InlineData(Reports, "[", 400)]
    [InlineData(Reports, "[[[[[[[[[[[[]]]]]]]]]]]]", 400)]
    public async Task A_callback_without_proof_or_sense_is_refused(string path, string body, int status)
    {
        using var answer = await PostAsync(path, body);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task A_callback_that_is_too_large_is_refused()
    {
        using var answer = await PostAsync(Reports, new string(' ', (2 << 20) + 1));

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
    }

    [Fact]
    public async Task The_address_is_proved_to_WeChat_by_an_echo()
    {
        using var right = await _host.Anonymous.GetAsync(WeChat(DateTimeOffset.UtcNow) + "&echostr=hello");
        using var stale = await _host.Anonymous.GetAsync(
            WeChat(DateTimeOffset.UtcNow.AddMinutes(-6)) + "&echostr=hello"
        );
        using var unsigned = await _host.Anonymous.GetAsync("/v1/callbacks/wechat?echostr=hello");

        Assert.Equal("hello", await right.Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.Unauthorized, stale.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, unsigned.StatusCode);
    }

    [Theory]
    [InlineData(
        "<xml><ToUserName>gh_1</ToUserName><CreateTime>1714112445</CreateTime><Event>MASSSENDJOBFINISH</Event><MsgID>7</MsgID><Status>sendsuccess</Status>"
            + "<TotalCount>3</TotalCount><FilterCount>3</FilterCount><SentCount>3</SentCount><ErrorCount>0</ErrorCount></xml>",
        200
    )]
    [InlineData("<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><xml>&b;</xml>", 400)]
    [InlineData("no xml", 400)]
    public async Task Events_of_WeChat_are_taken_when_they_are_its_own_XML(string body, int status)
    {
        using var answer = await PostAsync(WeChat(DateTimeOffset.UtcNow), body, "text/xml");

        Assert.Equal(status, (int)answer.StatusCode);
    }

    [Fact]
    public async Task An_event_for_another_account_is_refused_and_any_where_the_settings_name_none()
    {
        const string body =
            "<xml><ToUserName>gh_1</ToUserName><CreateTime>1714112445</CreateTime><Event>unsubscribe</Event></xml>";

        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(account: null));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("gh_1"));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync("gh_2"));
        using var refused = await PostAsync(WeChat(DateTimeOffset.UtcNow), body, "text/xml");
        Assert.Contains("another-account", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var unnamed = await PostAsync(
            WeChat(DateTimeOffset.UtcNow),
            body.Replace("gh_1", "", StringComparison.Ordinal),
            "text/xml"
        );
        Assert.Equal(HttpStatusCode.Forbidden, unnamed.StatusCode);

        async Task<HttpStatusCode> StatusAsync(string? account)
        {
            var configuration = (IConfigurationRoot)_host.Services.GetRequiredService<IConfiguration>();
            configuration["Channels:wechat:Account"] = account;
            configuration.Reload();
            using var answer = await PostAsync(WeChat(DateTimeOffset.UtcNow), body, "text/xml");
            return answer.StatusCode;
        }
    }

    private Task<HttpResponseMessage> PostAsync(string path, string body, string type = "application/json") =>
        _host.Anonymous.PostAsync(new Uri(path, UriKind.Relative), new StringContent(body, Encoding.UTF8, type));

    private static string WeChat(DateTimeOffset at)
    {
        var timestamp = at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        string[] parts = ["token", timestamp, "n0nce"];
        Array.Sort(parts, StringComparer.Ordinal);
        var signature = Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(string.Concat(parts))));
        return $"/v1/callbacks/wechat?signature={signature}&timestamp={timestamp}&nonce=n0nce";
    }
}
