using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Campaigns.Access;
using Campaigns.Api.Edge;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Campaigns.Tests.Support;
using Dapper;
using Npgsql;

namespace Campaigns.Tests.Lifecycle;

public sealed class CampaignTests(LifecycleHost host) : IClassFixture<LifecycleHost>
{
    private readonly ApiHost _api = host.Api;
    private readonly HttpClient _marketer = host.Api.As(Role.Marketer);
    private readonly string _id = GivenCampaign.NewId();

    [Fact]
    public async Task A_campaign_is_drafted_read_and_listed()
    {
        var put = await PutAsync(GivenCampaign.Definition);
        Assert.Equal(HttpStatusCode.Created, put.StatusCode);

        var read = await _api.As(Role.Approver).GetAsync($"/v1/campaigns/{_id}").ReadAsync<Campaign>();
        Assert.Equal(CampaignState.Draft, read.State);
        Assert.Equal(1, read.Version);
        Assert.True(Documents.Same(GivenCampaign.Definition, read.Definition));
        var list = await _marketer.GetAsync("/v1/campaigns?state=draft").ReadAsync<Page<CampaignSummary>>();
        Assert.Contains(_id, list.Items.Select(campaign => campaign.CampaignId));
        Assert.Empty(
            (await _marketer.GetAsync("/v1/campaigns?state=running").ReadAsync<Page<CampaignSummary>>()).Items
        );
    }

    [Fact]
    public async Task A_name_that_a_spreadsheet_would_compute_is_a_name()
    {
        const string formula = "=HYPERLINK(\"http://example.com\")";

        var put = await PutAsync(GivenCampaign.Definition with { Name = formula });

        Assert.Equal(HttpStatusCode.Created, put.StatusCode);
        Assert.Equal(formula, (await put.ReadAsync<Campaign>()).Definition.Name);
    }

    [Fact]
    public async Task An_edit_is_a_new_version_and_the_same_again_is_none()
    {
        await PutAsync(GivenCampaign.Definition);
        Assert.Equal(1, (await PutAsync(GivenCampaign.Definition).ReadAsync<Campaign>()).Version);
        var edited = await PutAsync(GivenCampaign.Definition with { Priority = 7 });
        Assert.Equal(HttpStatusCode.OK, edited.StatusCode);
        Assert.Equal("\"2\"", edited.Headers.ETag?.Tag);
    }

    [Fact]
    public async Task An_edit_of_what_somebody_else_edited_is_refused()
    {
        await PutAsync(GivenCampaign.Definition);
        await PutAsync(GivenCampaign.Definition with { Priority = 7 }, seen: 1).ReadAsync<Campaign>();
        await PutAsync(GivenCampaign.Definition with { Priority = 8 }, seen: 1).RefusedAsync(412, "version-mismatch");
    }

    [Fact]
    public async Task A_goal_is_either_an_event_or_a_number_of_the_catalogue()
    {
        var window = TimeSpan.FromDays(7);
        Goal[] malformed =
        [
            new() { Window = window },
            new()
            {
                Window = window,
                Event = "deposit",
                Field = "assets",
            },
            new()
            {
                Window = window,
                Field = "assets",
                EveryTime = true,
            },
            new()
            {
                Window = window,
                Event = "deposit",
                Currency = "yuan",
            },
            new()
            {
                Window = window,
                Event = "deposit",
                Where = new Dictionary<string, JsonElement>(),
            },
        ];
        foreach (var goal in malformed)
        {
            await PutAsync(GivenCampaign.Definition with { Goal = goal }).RefusedAsync(400, "validation-failed");
        }

        var unknown = new Goal { Window = window, Field = "no_such_number" };
        await PutAsync(GivenCampaign.Definition with { Goal = unknown }).RefusedAsync(422, "unknown-rule-field");
    }

    [Theory]
    [InlineData(99, "deposit", 400)]
    [InlineData(100, "deposit", 201)]
    [InlineData(1_000_000_000, "deposit", 201)]
    [InlineData(1_000_000_001, "deposit", 400)]
    [InlineData(5_000, null, 400)]
    public async Task The_customers_that_the_sequence_is_tuned_to_are_bounded(int customers, string? name, int status)
    {
        var goal = new Goal
        {
            Event = name,
            Field = name is null ? "score" : null,
            Window = TimeSpan.FromDays(7),
            SequenceCustomers = customers,
        };

        var answer = PutAsync(GivenCampaign.Definition with { Goal = goal });

        if (status == 201)
        {
            Assert.Equal(customers, (await answer.ReadAsync<Campaign>()).Definition.Goal.SequenceCustomers);
        }
        else
        {
            var problem = await answer.RefusedAsync(status, "validation-failed");
            Assert.Equal(["goal.sequenceCustomers"], problem.Errors.Select(error => error.Path));
        }
    }

    [Theory]
    [InlineData("Deposit.Opened", 400, "validation-failed")]
    [InlineData("message.clicked", 422, "engagement-goal")]
    public async Task A_goals_event_is_one_that_can_convert(string name, int status, string type)
    {
        var goal = new Goal { Event = name, Window = TimeSpan.FromDays(7) };

        var problem = await PutAsync(GivenCampaign.Definition with { Goal = goal }).RefusedAsync(status, type);

        Assert.Equal(["goal.event"], problem.Errors.Select(error => error.Path));
    }

    [Fact]
    public async Task Last_years_numbers_are_two_more_of_the_catalogue_for_a_goal_that_is_one()
    {
        var goal = new Goal { Field = "score", Window = TimeSpan.FromDays(7) };

        Assert.Equal(
            ["goal.lastYear"],
            await FaultsAsync(new("balance", "balance_after"), goal with { Field = null, Event = "deposit" })
        );
        Assert.Equal(["goal.lastYear.before", "goal.lastYear.after"], await FaultsAsync(new("score", "score")));
        Assert.Equal(["goal.lastYear.after"], await FaultsAsync(new("balance", "balance")));
        Assert.Equal(["goal.lastYear.before"], await FaultsAsync(new(" ", "balance")));
        Assert.Equal(
            ["goal.lastYear.before", "goal.lastYear.after"],
            await FaultsAsync(new("no_such_number", "employer"), refused: (422, "unknown-rule-field"))
        );
        var put = await PutAsync(
            GivenCampaign.Definition with
            {
                Goal = goal with { LastYear = new("balance", "balance_after") },
            }
        );
        Assert.Equal(HttpStatusCode.Created, put.StatusCode);

        async Task<IEnumerable<string>> FaultsAsync(
            LastYearFields lastYear,
            Goal? of = null,
            (int Status, string Type)? refused = null
        )
        {
            var (status, type) = refused ?? (400, "validation-failed");
            var definition = GivenCampaign.Definition with { Goal = (of ?? goal) with { LastYear = lastYear } };
            var problem = await PutAsync(definition).RefusedAsync(status, type);
            return problem
                .Errors.Select(error => error.Path)
                .Where(path => path.StartsWith("goal.lastYear", StringComparison.Ordinal))
                .Distinct();
        }
    }

    [Theory]
    [InlineData("""{"before": "balance"}""")]
    [InlineData("""{"after": "balance"}""")]
    [InlineData("""{"before": "balance", "after": null}""")]
    public async Task One_of_last_years_numbers_alone_is_refused(string lastYear)
    {
        var definition = JsonSerializer.SerializeToNode(GivenCampaign.Definition, ProductJson.Options)!;
        definition["goal"] = JsonNode.Parse($$"""{"field": "score", "window": "P7D", "lastYear": {{lastYear}}}""");

        var problem = await _marketer
            .PutAsync($"/v1/campaigns/{_id}", definition)
            .RefusedAsync(400, "validation-failed");

        Assert.Contains("lastYear", Assert.Single(problem.Errors).Path, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_field_at_fault_is_named_at_once()
    {
        var problem = await PutAsync(
                GivenCampaign.Definition with
                {
                    Name = " ",
                    Audience = new Audience { Include = ["payroll", "payroll", "No Such"], Top = new TopN("score", 0) },
                    Goal = new Goal { Event = "deposit", Window = TimeSpan.FromDays(181) },
                    Variants =
                    [
                        new Variant
                        {
                            Name = "a",
                            Weight = 0,
                            Templates = new Dictionary<Channel, string>(),
                        },
                        new Variant
                        {
                            Name = "a",
                            Weight = 0,
                            Templates = new Dictionary<Channel, string>(),
                        },
                    ],
                    Channels = [Channel.Sms, Channel.Sms],
                    Holdout = 0.6m,
                    Priority = 10,
                    PacePerHour = 0,
                    ProductRisk = 6,
                    Budget = new Dictionary<Channel, int> { [Channel.Sms] = 0, [Channel.App] = 5 },
                }
            )
            .RefusedAsync(400, "validation-failed");
        Assert.Superset(
            new HashSet<string>
            {
                "name",
                "audience.include[1]",
                "audience.include[2]",
                "audience.top.count",
                "goal.window",
                "variants",
                "variants[0].templates.sms",
                "variants[1].name",
                "channels[1]",
                "holdout",
                "priority",
                "pacePerHour",
                "productRisk",
                "budget.sms",
                "budget.app",
            },
            problem.Errors.Select(error => error.Path).ToHashSet()
        );
    }

    [Fact]
    public async Task An_end_before_the_start_is_no_window()
    {
        var schedule = GivenCampaign.Definition.Schedule;
        var problem = await PutAsync(
                GivenCampaign.Definition with
                {
                    Schedule = schedule with { To = schedule.From.AddDays(-1) },
                }
            )
            .RefusedAsync(422, "invalid-window");
        Assert.Equal("schedule.to", Assert.Single(problem.Errors).Path);
    }

    [Fact]
    public async Task A_window_of_no_length_is_no_window()
    {
        var noon = new SendWindow { From = new TimeOnly(12, 0), To = new TimeOnly(12, 0) };
        var problem = await PutAsync(
                GivenCampaign.Definition with
                {
                    Schedule = GivenCampaign.Definition.Schedule with { Windows = [noon] },
                }
            )
            .RefusedAsync(422, "invalid-window");
        Assert.Equal("schedule.windows[0].to", Assert.Single(problem.Errors).Path);
    }

    [Fact]
    public async Task What_a_campaign_names_must_be_there()
    {
        var problem = await PutAsync(
                GivenCampaign.Definition with
                {
                    Audience = new Audience
                    {
                        Include = ["nobody"],
                        Exclude = ["payroll", "nothing"],
                        Top = new TopN("first_name", 10),
                    },
                    Variants = [GivenCampaign.Variant("no-such-template")],
                    Schedule = GivenCampaign.Definition.Schedule with { Calendar = "no-such-calendar" },
                }
            )
            .RefusedAsync(422, "unknown-segment");
        Assert.Equal(
            [
                "audience.exclude[1]",
                "audience.include[0]",
                "audience.top.field",
                "schedule.calendar",
                "variants[0].templates.sms",
            ],
            problem.Errors.Select(error => error.Path).Order(StringComparer.Ordinal)
        );
    }

    [Fact]
    public async Task A_template_of_another_channel_or_purpose_does_not_fit()
    {
        var servicing = GivenCampaign.NewId("servicing");
        await GivenCampaign.TemplateAsync(
            _api,
            servicing,
            GivenCampaign.SmsTemplate with
            {
                Purpose = Purpose.Servicing,
            }
        );
        await PutAsync(GivenCampaign.Definition with { Variants = [GivenCampaign.Variant(servicing)] })
            .RefusedAsync(422, "template-mismatch");
        await PutAsync(
                GivenCampaign.Definition with
                {
                    Channels = [Channel.App],
                    Variants =
                    [
                        new Variant
                        {
                            Name = "a",
                            Templates = new Dictionary<Channel, string> { [Channel.App] = "payday-sms" },
                        },
                    ],
                }
            )
            .RefusedAsync(422, "template-mismatch");
    }

    [Fact]
    public async Task R6_a_sale_is_no_servicing()
    {
        var problem = await PutAsync(GivenCampaign.Definition with { Purpose = Purpose.Servicing })
            .RefusedAsync(422, "servicing-sale");
        Assert.Contains("purpose", problem.Errors.Select(error => error.Path));
    }

    [Fact]
    public async Task A_servers_own_member_is_not_taken() =>
        await _marketer
            .SendJsonAsync(
                HttpMethod.Put,
                $"/v1/campaigns/{_id}",
                Documents.Write(GivenCampaign.Definition).Insert(1, "\"state\":\"approved\",")
            )
            .RefusedAsync(400, "unknown-field");

    [Fact]
    public async Task The_database_holds_the_same_moves_as_the_code()
    {
        await PutAsync(GivenCampaign.Definition);
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        foreach (var from in Enum.GetValues<CampaignState>())
        {
            foreach (var to in Enum.GetValues<CampaignState>().Where(to => to != from))
            {
                var allowed = Enum.GetValues<CampaignMove>()
                    .Any(move => CampaignMoves.To(move) == to && CampaignMoves.From(move).Contains(from));
                Assert.True(allowed == await MovesAsync(connection, from, to), $"{from} to {to}");
            }
        }
    }

    private static async Task<bool> MovesAsync(NpgsqlConnection connection, CampaignState from, CampaignState to)
    {
        await using var transaction = await connection.BeginTransactionAsync();
        await connection.ExecuteAsync(
            """
            INSERT INTO campaign (campaign_id, version, state, updated_at) VALUES ('moving', 1, @from, now())
            """,
            new { from = ProductJson.NameOf(from) }
        );
        try
        {
            await connection.ExecuteAsync(
                "UPDATE campaign SET state = @to WHERE campaign_id = 'moving'",
                new { to = ProductJson.NameOf(to) }
            );
            return true;
        }
        catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.CheckViolation)
        {
            return false;
        }
    }

    private Task<HttpResponseMessage> PutAsync(CampaignDefinition definition, int? seen = null) =>
        _marketer.PutAsync($"/v1/campaigns/{_id}", definition, seen);
}
