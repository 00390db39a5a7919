using System.Text.Json;
using Campaigns.Access;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Segments;
using Campaigns.Tests.Support;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Campaigns.Tests.Lifecycle;

/// <summary>What a campaign needs before it can be drafted, and a definition with every default filled in.</summary>
internal static class GivenCampaign
{
    public const string Segment = "payroll";
    public const string Sensitive = "low-balance";

    public static readonly Dictionary<string, string?> Sms = new()
    {
        ["Channels:sms:Gateway"] = "aliyun-sms",
        ["Channels:sms:BaseUrl"] = "http://127.0.0.1:9",
        ["Channels:sms:KeyId"] = "testid",
        ["Channels:sms:Secret"] = "testsecret",
        ["Channels:sms:SignName"] = "示例银行",
        ["Channels:wechat:Gateway"] = "wechat-mass",
        ["Channels:wechat:BaseUrl"] = "http://127.0.0.1:9",
        ["Channels:wechat:KeyId"] = "appid",
        ["Channels:wechat:Secret"] = "secret",
    };

    /// <summary>An id that no other test has.</summary>
    public static string NewId(string stem = "payday") => $"{stem}-{Guid.NewGuid():n}";

    /// <param name="channels">Further settings of channels.</param>
    public static async Task<ApiHost> HostAsync(params (string Setting, string Value)[] channels)
    {
        var further = channels.Select(one => new KeyValuePair<string, string?>($"Channels:{one.Setting}", one.Value));
        var api = await ApiHost.StartAsync(settings: Sms.Concat(further).ToDictionary());
        await using var connection = await api.Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            INSERT INTO field (name, type, sensitive, profiling, updated_at) VALUES
                ('first_name', 'text', false, false, now()),
                ('employer', 'text', false, false, now()),
                ('score', 'number', false, true, now()),
                ('balance', 'number', true, false, now()),
                ('balance_after', 'number', false, false, now())
            """
        );
        await SegmentAsync(api, Segment, """{"field":"employer","op":"isSet"}""");
        await SegmentAsync(api, Sensitive, """{"field":"balance","op":"lt","value":1000}""");
        await TemplateAsync(api, "payday-sms");
        return api;
    }

    public static async Task SegmentAsync(ApiHost api, string segmentId, string rule)
    {
        using var json = JsonDocument.Parse(rule);
        var saved = await api
            .Services.GetRequiredService<SegmentStore>()
            .PutAsync(
                Actor.Service,
                segmentId,
                new SegmentDraft(segmentId, json.RootElement),
                null,
                CancellationToken.None
            );
        Assert.Null(saved.Error);
    }

    public static Task<Template> TemplateAsync(ApiHost api, string templateId, TemplateDraft? draft = null) =>
        api.As(Role.Marketer).PutAsync($"/v1/templates/{templateId}", draft ?? SmsTemplate).ReadAsync<Template>();

    public static TemplateDraft SmsTemplate =>
        new()
        {
            Channel = Channel.Sms,
            Language = "zh-CN",
            Text = "{{first_name}}，发薪日理财专享。",
            ProviderTemplate = "SMS_1001",
            Defaults = new Dictionary<string, string> { ["first_name"] = "您好" },
        };

    /// <summary>A template that names a sensitive field.</summary>
    public static TemplateDraft Balance =>
        SmsTemplate with
        {
            Text = "余额{{balance}}元",
            Defaults = new Dictionary<string, string> { ["balance"] = "若干" },
        };

    /// <param name="sms">The template's id.</param>
    public static Variant Variant(string sms) =>
        new()
        {
            Name = "a",
            Templates = new Dictionary<Channel, string> { [Channel.Sms] = sms },
        };

    public static CampaignDefinition Definition =>
        new()
        {
            Name = "New citizens' payday",
            Audience = new Audience { Include = [Segment] },
            Goal = new Goal { Event = "deposit", Window = TimeSpan.FromDays(14) },
            Variants = [Variant("payday-sms")],
            Channels = [Channel.Sms],
            Schedule = new Schedule
            {
                From = DateOnly.FromDateTime(DateTime.UtcNow),
                To = DateOnly.FromDateTime(DateTime.UtcNow).AddDays(10),
                Windows = [new SendWindow { From = new TimeOnly(9, 0), To = new TimeOnly(11, 30) }],
            },
            Holdout = 0.1m,
        };

    public static async Task<Campaign> DraftAsync(
        ApiHost api,
        string campaignId,
        CampaignDefinition? definition = null
    ) =>
        await api.As(Role.Marketer)
            .PutAsync($"/v1/campaigns/{campaignId}", definition ?? Definition)
            .ReadAsync<Campaign>();

    public static async Task<Campaign> SubmittedAsync(
        ApiHost api,
        string campaignId,
        CampaignDefinition? definition = null
    )
    {
        await DraftAsync(api, campaignId, definition);
        return await SubmitAsync(api, campaignId).ReadAsync<Campaign>();
    }

    public static async Task<Campaign> ApprovedAsync(
        ApiHost api,
        string campaignId,
        CampaignDefinition? definition = null
    )
    {
        var submitted = await SubmittedAsync(api, campaignId, definition);
        return await ApproveAsync(api.As(Role.Approver), campaignId, submitted.Version).ReadAsync<Campaign>();
    }

    public static Task<HttpResponseMessage> SubmitAsync(
        ApiHost api,
        string campaignId,
        long? expectedAudience = null
    ) =>
        api.As(Role.Marketer)
            .PostAsync($"/v1/campaigns/{campaignId}/submit", new Submission { ExpectedAudience = expectedAudience });

    public static Task<HttpResponseMessage> ApproveAsync(HttpClient approver, string campaignId, int version) =>
        approver.PostAsync($"/v1/campaigns/{campaignId}/approve", new ApprovalDecision(), version);

    public static async Task<Campaigns.Results.Result<ApprovedCampaign>> LaunchableAsync(
        NpgsqlDataSource dataSource,
        string campaignId
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        return await CampaignApprovals.ApprovedAsync(connection, campaignId);
    }
}

/// <summary>One host for the tests of a class, each of which has ids of its own.</summary>
public sealed class LifecycleHost : IAsyncLifetime
{
    /// <summary>One that a test has for itself.</summary>
    public static LifecycleHost Of(ApiHost api) => new() { Api = api };

    public ApiHost Api { get; private set; } = null!;

    public async Task InitializeAsync() => Api = await GivenCampaign.HostAsync();

    public async Task DisposeAsync() => await Api.DisposeAsync();
}
