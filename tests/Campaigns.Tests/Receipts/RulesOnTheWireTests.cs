using System.Net;
using Campaigns.Access;
using Campaigns.Api.Endpoints;
using Campaigns.Channels;
using Campaigns.Planning;
using Campaigns.Simulator;
using Campaigns.Tests.Channels;
using Campaigns.Tests.Dispatch;
using Campaigns.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Channel = Campaigns.Channels.Channel;

namespace Campaigns.Tests.Receipts;

/// <summary>The rules of compliance that hold until the last moment, by their numbers: runs that were planned before, a real
/// node, and a provider to whom nothing may come.</summary>
public sealed class RulesOnTheWireTests : IAsyncLifetime
{
    private readonly int _port = FreePort.Next();
    private GivenRun _given = null!;
    private RunningSimulator _simulator = null!;

    public async Task InitializeAsync()
    {
        _given = await GivenRun.CreateAsync(customers: 10);
        _simulator = await RunningSimulator.StartAsync(callbacks: new Uri($"http://127.0.0.1:{_port}"));
        var held = new ReceiptScript { Hold = true };
        await _simulator.ScriptAsync(
            new Script { Receipts = new Dictionary<string, ReceiptScript> { ["bank-sms"] = held } }
        );
    }

    public async Task DisposeAsync()
    {
        await _simulator.DisposeAsync();
        await _given.DisposeAsync();
    }

    [Fact]
    public async Task R1_whose_consent_is_gone_is_not_called_for()
    {
        var run = await _given.RunAsync(new RunSpec { Customers = [1, 2], Text = "hello" });
        await _given.ExecuteAsync("UPDATE contact SET consented = 6 WHERE customer_key = 1");
        await using var host = await HostAsync();

        await EndsAsync(run, "accepted 1, suppressed(no_consent) 1");

        Assert.Equal([GivenRun.Address(2, Channel.Sms)], await SentToAsync("bank-sms"));
    }

    [Fact]
    public async Task R2_a_reply_that_refuses_stops_what_is_due_a_minute_later_and_falls_back_to_no_other_channel()
    {
        await using var host = await HostAsync();
        var spec = new RunSpec
        {
            Customers = Enumerable.Range(1, 6),
            Text = "hello",
            OpensIn = TimeSpan.FromMinutes(1),
            Channels = [Channel.Sms, Channel.WeChat],
        };
        var (run, others) = (await _given.RunAsync(spec), await _given.RunAsync(spec with { Priority = 9 }));
        foreach (var (reply, customer) in new[] { ("R", 1), ("t", 2), ("TD", 3), ("退订", 4), ("在吗", 5) })
        {
            using var replied = await _simulator.PostAsync(
                "/simulator/replies",
                new ReplySetting(GivenRun.Address(customer, Channel.Sms), reply, "bank-sms")
            );
            Assert.Equal(HttpStatusCode.NoContent, replied.StatusCode);
        }

        await _given.PassAsync(TimeSpan.FromMinutes(2));

        await EndsAsync(run, "accepted 2, suppressed(opted_out) 4");
        await EndsAsync(others, "accepted 2, suppressed(opted_out) 4");
        var (five, six) = (GivenRun.Address(5, Channel.Sms), GivenRun.Address(6, Channel.Sms));
        Assert.Equal([five, five, six, six], await SentToAsync("bank-sms"));
        Assert.Empty(await SentToAsync("wechat"));
        Assert.Equal("在吗", await _given.AskAsync<string>("SELECT content FROM reply WHERE NOT understood"));
    }

    [Fact]
    public async Task R3_a_refusal_of_one_signature_holds_for_what_another_signs()
    {
        await using var host = await HostAsync();
        var spec = new RunSpec
        {
            Customers = [1, 2],
            Text = "hello",
            OpensIn = TimeSpan.FromMinutes(1),
        };
        var (signed, renamed) = (await _given.RunAsync(spec), await _given.RunAsync(spec));
        await _given.ExecuteAsync(
            """
            UPDATE template_version SET sender = '示例银行' WHERE template_id = 'campaign-1-Sms';
            UPDATE template_version SET sender = '示例银行信用卡' WHERE template_id = 'campaign-2-Sms';
            """
        );
        var first = await _given.RunAsync(spec with { Customers = [1], OpensIn = TimeSpan.FromMinutes(-1) });
        await EndsAsync(first, "accepted 1");
        using var replied = await _simulator.PostAsync(
            "/simulator/replies",
            new ReplySetting(GivenRun.Address(1, Channel.Sms), "R", "bank-sms")
        );
        await _given.PassAsync(TimeSpan.FromMinutes(2));

        await EndsAsync(signed, "accepted 1, suppressed(opted_out) 1");
        await EndsAsync(renamed, "accepted 1, suppressed(opted_out) 1");
        Assert.Equal(1, (await SentToAsync("bank-sms")).Count(to => to == GivenRun.Address(1, Channel.Sms)));
    }

    [Fact]
    public async Task R8_switching_personalisation_off_holds_at_once_for_what_is_planned_already()
    {
        await using var host = await HostAsync();
        var spec = new RunSpec
        {
            Customers = [1, 2],
            Text = "hello",
            OpensIn = TimeSpan.FromMinutes(1),
        };
        var profiled = await _given.RunAsync(spec with { UsesProfiling = true });
        var plain = await _given.RunAsync(spec);
        await SaysAsync("marketing", granted: true);
        await SaysAsync("personalisation", granted: false);
        await _given.PassAsync(TimeSpan.FromMinutes(2));

        await EndsAsync(profiled, "accepted 1, suppressed(personalisation_off) 1");
        await EndsAsync(plain, "accepted 2");

        Task<BatchAnswer> SaysAsync(string purpose, bool granted) =>
            host.As(Role.Backend)
                .PostAsync(
                    "/v1/customers/c1/consents",
                    new
                    {
                        purpose,
                        granted,
                        source = "app",
                        occurredAt = DateTimeOffset.UtcNow.AddMinutes(-1),
                    }
                )
                .ReadAsync<BatchAnswer>();
    }

    [Fact]
    public async Task R17_no_number_is_in_any_answer_export_or_log()
    {
        const string number = "1380000000";
        var log = new LogLines();
        await using var host = await HostAsync(log);
        await _simulator.ScriptAsync(
            new Script
            {
                Receipts = new Dictionary<string, ReceiptScript>
                {
                    ["bank-sms"] = new() { FailedAddresses = [GivenRun.Address(3, Channel.Sms)] },
                },
            }
        );
        var run = await _given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 5), Text = "hello" });
        await EndsAsync(run, "delivered 4, failed 1");
        using var replied = await _simulator.PostAsync(
            "/simulator/replies",
            new ReplySetting(GivenRun.Address(2, Channel.Sms), $"请打{number}2，+86{number}2", "bank-sms")
        );
        var reply = await Eventually.BeAsync(
            () => host.As(Role.Operator).GetStringAsync("/v1/replies"),
            now => now.Contains("请打", StringComparison.Ordinal),
            "the reply is there",
            TimeSpan.FromSeconds(30)
        );
        Assert.Contains("请打138****0002，138****0002", reply, StringComparison.Ordinal);

        var answers = new List<string> { reply };
        foreach (
            var (role, path, type) in new[]
            {
                (Role.Backend, "/v1/customers/c1", "application/json"),
                (Role.Operator, "/v1/channels", "application/json"),
                (Role.Admin, "/v1/audit", "application/json"),
                (Role.Analyst, "/v1/campaigns/campaign-1/report", "application/json"),
                (Role.Analyst, "/v1/campaigns/campaign-1/report", "text/csv"),
                (Role.Analyst, "/v1/campaigns/campaign-1/report", "text/html"),
                (Role.Analyst, "/v1/campaigns/campaign-1/schedule", "application/json"),
                (Role.Analyst, "/v1/campaigns/campaign-1/decisions/c1", "application/json"),
                (Role.Analyst, "/v1/campaigns/campaign-1/decisions/c3", "application/json"),
            }
        )
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { { "Accept", type } } };
            using var answer = await host.As(role).SendAsync(request);
            Assert.True(answer.IsSuccessStatusCode, $"{path}: {answer.StatusCode}");
            answers.Add(await answer.Content.ReadAsStringAsync());
        }

        Assert.Contains("138****0001", answers[1], StringComparison.Ordinal);
        Assert.All(answers, answer => Assert.DoesNotContain(number, answer, StringComparison.Ordinal));
        Assert.NotEmpty(log.Lines);
        Assert.All(log.Lines, line => Assert.DoesNotContain(number, line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task R15_whoever_has_refused_is_served_all_the_same()
    {
        var run = await _given.RunAsync(
            new RunSpec
            {
                Customers = [1],
                Purpose = Purpose.Servicing,
                Text = "hello",
            }
        );
        await _given.ExecuteAsync("UPDATE contact SET opted_out = 7, consented = 0");
        await using var host = await HostAsync();

        await EndsAsync(run, "accepted 1");
    }

    [Fact]
    public async Task R19_whoever_is_held_out_is_sent_nothing()
    {
        var run = await _given.RunAsync(new RunSpec { Customers = [1, 2], Text = "hello" });
        await _given.ExecuteAsync(
            "INSERT INTO decision (customer_key, run_key, wave, step, reason, channel, variant) VALUES "
                + "(3, @run, 1, 1, @campaign, 1, 1), (4, @run, 1, 1, @bank, 1, 1)",
            new
            {
                run,
                campaign = (short)Reason.HeldOut,
                bank = (short)Reason.HeldOutGlobal,
            }
        );
        // A chunk's range of keys goes beyond its touches.
        await _given.ExecuteAsync("UPDATE chunk SET high_key = 10");
        await using var host = await HostAsync();

        await EndsAsync(run, "accepted 2");

        Assert.Equal(
            [GivenRun.Address(1, Channel.Sms), GivenRun.Address(2, Channel.Sms)],
            await SentToAsync("bank-sms")
        );
    }

    [Fact]
    public async Task R14_what_is_due_outside_its_window_waits_and_goes_when_it_opens()
    {
        var run = await _given.RunAsync(
            new RunSpec
            {
                Customers = [1, 2],
                Text = "hello",
                OpensIn = TimeSpan.FromMinutes(10),
            }
        );
        await _given.ExecuteAsync("UPDATE chunk SET due_at = now()");
        await using var host = await HostAsync();
        var opens = await _given.AskAsync<DateTime>("SELECT opens_at FROM wave");

        await _given.PassAsync(TimeSpan.FromMinutes(9));
        Assert.Empty(await _simulator.LedgerAsync());
        await _given.PassAsync(TimeSpan.FromMinutes(2));
        await EndsAsync(run, "accepted 2");

        Assert.True(await _given.AskAsync<DateTime>("SELECT min(attempted_at) FROM attempt") >= opens);
    }

    private async Task<IEnumerable<string>> SentToAsync(string channel) =>
        (await _simulator.LedgerAsync())
            .Where(entry => entry.Channel == channel)
            .Select(entry => entry.Address)
            .Order();

    private Task<string> EndsAsync(int run, string states) =>
        Eventually.BeAsync(
            () => _given.StatesAsync(run),
            now => now == states,
            $"it ends {states}",
            TimeSpan.FromMinutes(1)
        );

    private Task<ApiHost> HostAsync(LogLines? log = null) =>
        ApiHost.StartAsync(
            _given.Database,
            "all",
            new Dictionary<string, string?>
            {
                ["urls"] = $"http://127.0.0.1:{_port}",
                ["Dispatch:SweepEvery"] = "00:00:00.500",
                ["Channels:sms:Gateway"] = "bank-sms",
                ["Channels:sms:BaseUrl"] = new Uri(_simulator.Url, "/bank-sms").ToString(),
                ["Channels:sms:KeyId"] = "simulator",
                ["Channels:sms:Secret"] = "simulator",
                ["Channels:sms:CallbackSecret"] = "simulator",
                ["Channels:sms:SignName"] = "示例银行",
                ["Channels:wechat:Gateway"] = "wechat-mass",
                ["Channels:wechat:BaseUrl"] = _simulator.Url.ToString(),
                ["Channels:wechat:KeyId"] = "simulator",
                ["Channels:wechat:Secret"] = "simulator",
            },
            services =>
            {
                if (log is not null)
                {
                    services.AddSingleton<ILoggerProvider>(log);
                }
            }
        );
}
