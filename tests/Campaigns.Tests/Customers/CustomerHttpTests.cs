using System.Net;
using System.Text;
using System.Text.Json;
using Campaigns.Access;
using Campaigns.Api.Endpoints;
using Campaigns.Customers;
using Campaigns.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Campaigns.Tests.Customers;

public sealed class CustomerHttpTests
{
    [Fact]
    public async Task A_customer_comes_in_agrees_and_is_erased()
    {
        await using var api = await ApiHost.StartAsync();
        var backend = api.As(Role.Backend);
        await backend.PutAsync("/v1/fields/balance", new FieldBody { Type = FieldType.Number }).ReadAsync<Field>();

        var put = await backend
            .SendJsonAsync(
                HttpMethod.Put,
                "/v1/customers/c-1",
                """
                {"attributes":{"balance":1200.5},"tags":["vip"],"addresses":{"phone":"13812345678","openId":"oAbCdEfGh"},
                 "zone":"Asia/Shanghai","preferredChannels":["wechat","app"],"preferredSlots":["evening"],
                 "birthDate":"1990-05-17","riskRating":3,"riskRatedUntil":"2027-01-01","student":false}
                """
            )
            .ReadAsync<JsonElement>();
        Assert.Equal("138****5678", put.GetProperty("channels")[0].GetProperty("address").GetString());
        Assert.Equal("wechat", put.GetProperty("preferredChannels")[0].GetString());

        var consent = await backend
            .SendJsonAsync(
                HttpMethod.Post,
                "/v1/customers/c-1/consents",
                """
                {"channel":"all","purpose":"marketing","granted":true,"source":"branch","textVersion":"v1",
                 "occurredAt":"2026-03-01T09:00:00+08:00"}
                """
            )
            .ReadAsync<BatchAnswer>();
        Assert.Equal(1, consent.Updated);
        var shown = await backend.GetAsync(new Uri("/v1/customers/c-1", UriKind.Relative)).ReadAsync<JsonElement>();
        Assert.Equal("granted", shown.GetProperty("channels")[2].GetProperty("marketing").GetString());

        var erased = await backend.DeleteAsync(new Uri("/v1/customers/c-1", UriKind.Relative));
        Assert.Equal(HttpStatusCode.NoContent, erased.StatusCode);
        await backend.GetAsync(new Uri("/v1/customers/c-1", UriKind.Relative)).RefusedAsync(404, "not-found");
    }

    [Theory]
    [InlineData("""{"addresses":{"phone":"13812345678 or so"}}""")]
    [InlineData("""{"addresses":{"phone":13812345678}}""")]
    [InlineData("""{"addresses":{"openId":"13812345678 "}}""")]
    [InlineData("""{"zone":"13812345678"}""")]
    [InlineData("""{"attributes":{"balance":"13812345678"}}""")]
    [InlineData("""{"tags":["+8613812345678\u0000"]}""")]
    [InlineData("""{"addresses":{"phone":"13812345678"}""")]
    public async Task R17_what_is_wrong_with_a_customer_is_said_without_the_number(string body)
    {
        var log = new LogLines();
        await using var api = await ApiHost.StartAsync(configure: services =>
            services.AddSingleton<ILoggerProvider>(log)
        );
        var backend = api.As(Role.Backend);
        await backend.PutAsync("/v1/fields/balance", new FieldBody { Type = FieldType.Number }).ReadAsync<Field>();

        using var refused = await backend.SendJsonAsync(HttpMethod.Put, "/v1/customers/c-1", body);
        using var batch = await backend.SendJsonAsync(
            HttpMethod.Post,
            "/v1/customers",
            $$$"""{"items":[{"customerId":"c-1",{{{body[1..^1]}}}}]}"""
        );

        Assert.InRange((int)refused.StatusCode, 400, 422);
        string[] texts = [await TextAsync(refused), await TextAsync(batch), .. log.Lines];
        foreach (var text in texts)
        {
            Assert.DoesNotContain("12345678", text, StringComparison.Ordinal);
        }

        static Task<string> TextAsync(HttpResponseMessage answer) => answer.Content.ReadAsStringAsync();
    }

    [Theory]
    [InlineData(10 << 20, 413, "payload-too-large")]
    [InlineData(3 << 20, 400, "validation-failed")]
    [InlineData(4_097, 400, "validation-failed")]
    public async Task A_value_that_no_message_could_say_is_not_taken(int length, int status, string type)
    {
        await using var api = await ApiHost.StartAsync();
        var backend = api.As(Role.Backend);
        await backend.PutAsync("/v1/fields/note", new FieldBody { Type = FieldType.Text }).ReadAsync<Field>();
        using var request = new HttpRequestMessage(HttpMethod.Put, "/v1/customers/c-1")
        {
            Content = new StringContent(
                $$$"""{"attributes":{"note":"{{{new string('x', length)}}}"}}""",
                Encoding.UTF8,
                "application/json"
            ),
            Headers = { ExpectContinue = true },
        };

        var problem = await backend.SendAsync(request).RefusedAsync(status, type);

        Assert.Equal(status == 400 ? ["attributes.note"] : [], problem.Errors.Select(error => error.Path));
        await backend.GetAsync("/v1/customers/c-1").RefusedAsync(404, "not-found");
    }

    [Fact]
    public async Task A_wrong_phone_is_refused_and_not_repeated()
    {
        await using var api = await ApiHost.StartAsync();
        var problem = await api.As(Role.Backend)
            .SendJsonAsync(HttpMethod.Put, "/v1/customers/c-1", """{"addresses":{"phone":"+86abc"}}""")
            .RefusedAsync(400, "validation-failed");

        Assert.Equal("addresses.phone", Assert.Single(problem.Errors).Path);
        Assert.DoesNotContain("abc", JsonSerializer.Serialize(problem), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"zone":"Mars/X"}""", 422, "unknown-timezone")]
    [InlineData("""{"status":"gold"}""", 400, "unknown-field")]
    [InlineData("""{"attributes":{"nope":1}}""", 400, "validation-failed")]
    [InlineData("""{"riskRating":"3"}""", 400, "validation-failed")]
    [InlineData("""{"tags":["a\u0000"]}""", 400, "validation-failed")]
    public async Task A_wrong_customer_is_refused(string body, int status, string type)
    {
        await using var api = await ApiHost.StartAsync();
        await api.As(Role.Backend).SendJsonAsync(HttpMethod.Put, "/v1/customers/c-1", body).RefusedAsync(status, type);
    }

    [Theory]
    [InlineData(4_096, null, null)]
    [InlineData(4_097, 400, "validation-failed")]
    [InlineData(10 << 20, 413, "payload-too-large")]
    public async Task A_value_may_be_as_long_as_a_message_can_bear(int length, int? status, string? type)
    {
        await using var api = await ApiHost.StartAsync();
        var backend = api.As(Role.Backend);
        await backend.PutAsync("/v1/fields/nickname", new FieldBody { Type = FieldType.Text }).ReadAsync<Field>();
        using var request = new HttpRequestMessage(HttpMethod.Put, "/v1/customers/c-1")
        {
            Content = new StringContent(
                $$$"""{"attributes":{"nickname":"{{{new string('x', length)}}}"}}""",
                Encoding.UTF8,
                "application/json"
            ),
            Headers = { ExpectContinue = true },
        };

        var put = await backend.SendAsync(request);

        if (type is null)
        {
            Assert.True(put.IsSuccessStatusCode);
        }
        else
        {
            await Task.FromResult(put).RefusedAsync(status!.Value, type);
            await backend.GetAsync(new Uri("/v1/customers/c-1", UriKind.Relative)).RefusedAsync(404, "not-found");
        }
    }

    [Fact]
    public async Task An_event_of_the_future_is_refused_alone_and_among_others()
    {
        await using var api = await ApiHost.StartAsync();
        var backend = api.As(Role.Backend);
        var past = new EventItem
        {
            Source = "mobile-bank",
            Id = "1",
            CustomerId = "c-1",
            Name = "payment",
            OccurredAt = DateTimeOffset.UtcNow.AddHours(-1),
        };
        var future = past with { Id = "2", OccurredAt = DateTimeOffset.UtcNow.AddDays(1) };

        await backend.PostAsync("/v1/events", new EventsBody { Events = [future] }).RefusedAsync(422, "invalid-time");
        var answer = await backend
            .PostAsync("/v1/events", new EventsBody { Events = [past, future] })
            .ReadAsync<BatchAnswer>();

        Assert.Equal((1, 1), (answer.Created, answer.Refused));
        Assert.Equal("invalid-time", answer.Items[1].Type);
    }

    [Fact]
    public async Task A_batch_has_a_thousand_items_at_most()
    {
        await using var api = await ApiHost.StartAsync();
        var item = new CustomerItem { Id = "c", Profile = new CustomerProfile() };
        var body = new CustomersBody { Customers = [.. Enumerable.Repeat(item, 1001)] };
        await api.As(Role.Backend).PostAsync("/v1/customers", body).RefusedAsync(413, "batch-too-large");
    }

    [Fact]
    public async Task Only_the_backend_sees_customers()
    {
        await using var api = await ApiHost.StartAsync();
        foreach (var role in new[] { Role.Marketer, Role.Approver, Role.Analyst, Role.Partner })
        {
            await api.As(role).GetAsync(new Uri("/v1/customers/c-1", UriKind.Relative)).RefusedAsync(403, "forbidden");
        }
    }
}
