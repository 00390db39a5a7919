using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Lifecycle;

public sealed class TemplatePreviewTests(LifecycleHost host) : IClassFixture<LifecycleHost>
{
    private readonly ApiHost _api = host.Api;
    private readonly string _id = GivenCampaign.NewId("shown");
    private readonly string _customer = $"C{Guid.NewGuid():n}";

    [Fact]
    public async Task It_reads_as_she_would_receive_it_and_hides_her_number()
    {
        await CustomerAsync("""{"first_name": "李雷"}""");
        await GivenCampaign.TemplateAsync(_api, _id);

        var shown = await PreviewAsync().ReadAsync<TemplatePreview>();

        Assert.Equal("【示例银行】李雷，发薪日理财专享。 拒收请回复R", shown.Text);
        Assert.Equal(("138****5678", Channel.Sms, 1), (shown.Address, shown.Channel, shown.Version));
        Assert.Equal(new SmsSize(SmsEncoding.Ucs2, shown.Text.Length, shown.Text.Length, 1), shown.Sms);
        Assert.Empty(shown.Missing.Concat(shown.Hidden));
    }

    [Fact]
    public async Task What_she_has_no_value_for_is_the_default_or_missing()
    {
        await CustomerAsync("{}");
        var draft = GivenCampaign.SmsTemplate with { Text = "{{first_name}}，{{ employer }}。" };
        await GivenCampaign.TemplateAsync(_api, _id, draft);

        var shown = await PreviewAsync().ReadAsync<TemplatePreview>();

        Assert.Equal("【示例银行】您好，{{employer}}。 拒收请回复R", shown.Text);
        Assert.Equal(["employer"], shown.Missing);
        Assert.Null(shown.Sms);
    }

    [Fact]
    public async Task R10_a_sensitive_value_is_the_customers_to_read()
    {
        await BalanceAsync(consented: true);

        var answer = await PreviewAsync();

        Assert.DoesNotContain("987654", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var shown = await answer.ReadAsync<TemplatePreview>();
        Assert.Equal("【示例银行】余额•••元 拒收请回复R", shown.Text);
        Assert.Equal(["balance"], shown.Hidden);
        Assert.Null(shown.Sms);
    }

    [Fact]
    public async Task R10_whoever_has_not_consented_to_sensitive_data_is_told_the_default()
    {
        await BalanceAsync(consented: false);

        var shown = await PreviewAsync().ReadAsync<TemplatePreview>();

        Assert.Equal("【示例银行】余额若干元 拒收请回复R", shown.Text);
        Assert.Empty(shown.Missing.Concat(shown.Hidden));
    }

    [Fact]
    public async Task Who_looked_at_whom_is_audited()
    {
        await CustomerAsync("{}");
        await GivenCampaign.TemplateAsync(_api, _id);
        await PreviewAsync().ReadAsync<TemplatePreview>();

        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        var details = await connection.QuerySingleAsync<string>(
            "SELECT detail::text FROM audit WHERE action = 'previewed' AND subject_id = @_id",
            new { _id }
        );
        Assert.Contains(_customer, details, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Neither_is_shown_to_those_who_write_no_campaigns_nor_where_it_is_not_there()
    {
        await PreviewAsync().RefusedAsync(404, "not-found");
        await GivenCampaign.TemplateAsync(_api, _id);
        await PreviewAsync().RefusedAsync(404, "not-found");
        await _api.As(Role.Analyst)
            .PostAsync($"/v1/templates/{_id}/preview", new TemplatePreviewRequest { CustomerId = _customer })
            .RefusedAsync(403, "forbidden");
    }

    private Task<HttpResponseMessage> PreviewAsync() =>
        _api.As(Role.Marketer)
            .PostAsync($"/v1/templates/{_id}/preview", new TemplatePreviewRequest { CustomerId = _customer });

    private async Task BalanceAsync(bool consented)
    {
        await CustomerAsync("""{"balance": 987654.25}""");
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            UPDATE contact SET sensitive_consent = @consented
            WHERE customer_key = (SELECT customer_key FROM customer WHERE customer_id = @_customer)
            """,
            new { consented, _customer }
        );
        await GivenCampaign.TemplateAsync(_api, _id, GivenCampaign.Balance);
    }

    private async Task CustomerAsync(string attributes)
    {
        var put = await _api.As(Role.Backend)
            .SendJsonAsync(
                HttpMethod.Put,
                $"/v1/customers/{_customer}",
                $$$"""{"attributes": {{{attributes}}}, "addresses": {"phone": "13812345678"}}"""
            );
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
    }
}
