using System.Text.Json;
using System.Text.Json.Nodes;

namespace Campaigns.Tests.Segments;

/// <summary>Customers and rules drawn so that values collide, borders are hit, and a third of everything is missing.
/// </summary>
internal sealed class RandomBank(int seed)
{
    private static readonly string[] Jobs = ["management", "retired", "o'neill; --", "退休", "man%", "a_b"];
    private static readonly string[] Cities = ["Shanghai", "Beijing", "成都"];
    private static readonly string[] TagNames = ["vip", "payroll", "'quoted'"];
    private static readonly string[] CampaignIds = ["spring", "autumn"];
    private static readonly string[] EventNames = ["login", "payment"];
    private static readonly string[] Dates = ["2026-03-02", "2026-02-28", "2025-03-02", "2024-02-29", "2026-01-31"];
    private static readonly string[] Relatives = ["today", "today-2d", "today+1w", "today-1m", "today-1y", "today-13m"];
    private static readonly string[] Births = ["2000-02-29", "1990-02-28", "1990-03-01", "1985-03-02", "1985-03-03"];
    private static readonly string[] Periods = ["P7D", "P1D", "PT12H", "P1M", "P2W"];
    private static readonly string[] Ordered = ["lt", "lte", "gt", "gte"];

#pragma warning disable CA5394 // seeded on purpose
    private readonly Random _random = new(seed);

    public override string ToString() => $"bank {seed}";

    public IEnumerable<BankCustomer> Customers(int count) => Enumerable.Range(1, count).Select(i => Customer($"C{i}"));

    public BankCustomer Customer(string id)
    {
        var attributes = new Dictionary<string, object>();
        Maybe(() => attributes["balance"] = Number());
        Maybe(() => attributes["score"] = Number());
        Maybe(() => attributes["income"] = Number());
        Maybe(() => attributes["job"] = One(Jobs));
        Maybe(() => attributes["city"] = One(Cities));
        Maybe(() => attributes["housing"] = Odds(2));
        Maybe(() => attributes["opened_on"] = DateOnly.ParseExact(One(Dates), "yyyy-MM-dd"));
        return new BankCustomer(id)
        {
            Attributes = attributes,
            Tags = [.. TagNames.Where(_ => Odds(2))],
            BirthDate = Odds(4) ? null : DateOnly.ParseExact(One(Births), "yyyy-MM-dd"),
            SensitiveConsent = Odds(2),
            Stub = Odds(20),
            Erased = Odds(20),
            Events = [.. Enumerable.Range(0, _random.Next(5)).Select(_ => Event())],
        };
    }

    /// <summary>A rule of at most so many levels.</summary>
    /// <param name="segments">Names it may use.</param>
    public JsonObject Rule(int depth, params string[] segments)
    {
        if (depth > 1 && Odds(2))
        {
            return _random.Next(3) switch
            {
                0 => new() { ["all"] = Rules(depth, segments) },
                1 => new() { ["any"] = Rules(depth, segments) },
                _ => new() { ["not"] = Rule(depth - 1, segments) },
            };
        }

        return _random.Next(10) switch
        {
            0 => new() { ["tag"] = One(TagNames) },
            1 when segments.Length > 0 => new() { ["segment"] = One(segments) },
            2 or 3 or 4 => EventRule(),
            _ => FieldRule(),
        };
    }

    private JsonArray Rules(int depth, string[] segments) =>
        [.. Enumerable.Range(0, 1 + _random.Next(3)).Select(_ => Rule(depth - 1, segments))];

    private JsonObject FieldRule() =>
        _random.Next(8) switch
        {
            0 => Test(
                One("balance", "job", "city", "housing", "opened_on", "birth_date", "income"),
                One("isSet", "isNotSet")
            ),
            1 => Test("job", One("eq", "ne"), One(Jobs)),
            2 => Odds(2)
                ? Test("job", "contains", One("man", "%", "_", "退", "'"))
                : Test("job", "in", new JsonArray(One(Jobs), One(Jobs))),
            3 => Odds(2) ? Test("city", One("eq", "ne"), One(Cities)) : Test("city", "in", new JsonArray(One(Cities))),
            4 => Test("housing", One("eq", "ne"), Odds(2)),
            5 => DateRule(One("opened_on", "birth_date")),
            _ => NumberRule(One("balance", "score", "income")),
        };

    private JsonObject NumberRule(string field) =>
        _random.Next(3) switch
        {
            0 => Test(field, "between", new JsonArray(Number(), Number())),
            1 => Test(field, "in", new JsonArray([.. Enumerable.Range(0, 12).Select(_ => JsonValue.Create(Number()))])),
            _ => Test(field, One([.. Ordered, "eq", "ne"]), Number()),
        };

    private JsonObject DateRule(string field) =>
        _random.Next(4) switch
        {
            0 => Test(field, "birthday", One("0", "1", "3", "365") is var days ? int.Parse(days) : 0),
            1 => Test(field, "between", new JsonArray(Date(), Date())),
            2 => Test(field, "in", new JsonArray(Date(), Date())),
            _ => Test(field, One([.. Ordered, "eq", "ne"]), Date()),
        };

    private string Date() => Odds(2) ? One(Relatives) : One([.. Dates, .. Births]);

    private JsonObject EventRule()
    {
        var rule = new JsonObject { ["event"] = One([.. EventNames, "unseen"]) };
        if (Odds(3))
        {
            rule["where"] = Where();
        }

        var measure = _random.Next(6);
        if (measure == 0)
        {
            rule["lastBefore"] = One(Periods);
            return rule;
        }

        if (Odds(2))
        {
            rule["within"] = One(Periods);
        }

        switch (measure)
        {
            case 1:
                rule["never"] = true;
                break;
            case 2:
                rule["sum"] = "amount";
                rule["op"] = One([.. Ordered, "eq", "between"]);
                rule["value"] = (string?)rule["op"] == "between" ? new JsonArray(Number(), Number()) : Number();
                break;
            case 3:
                rule["atLeast"] = 1 + _random.Next(3);
                break;
            case 4:
                rule["atMost"] = 1 + _random.Next(3);
                break;
            case 5 when Odds(2):
                rule["atLeast"] = 1 + _random.Next(2);
                rule["atMost"] = 2 + _random.Next(2);
                break;
        }

        return rule;
    }

    private BankEvent Event()
    {
        var ago = _random.Next(5) switch
        {
            0 => TimeSpan.FromDays(7),
            1 => TimeSpan.FromHours(-1),
            2 => TimeSpan.Zero,
            3 => TimeSpan.FromDays(28),
            _ => TimeSpan.FromHours(_random.Next(1_000)),
        };
        return new BankEvent(One(EventNames), Bank.AsOf - ago, Odds(4) ? null : Number())
        {
            Attributes = Odds(4) ? null : EventAttributes(),
        };
    }

    private Dictionary<string, object> EventAttributes()
    {
        var attributes = new Dictionary<string, object>();
        Maybe(() => attributes["campaign"] = One(CampaignIds));
        Maybe(() => attributes["n"] = Odds(2) ? One(1m, 2.50m) : "1");
        Maybe(() => attributes["'first'"] = Odds(2));
        return attributes;
    }

    private JsonObject Where() =>
        _random.Next(4) switch
        {
            0 => new() { ["n"] = One<JsonNode>(1, 2.5m, "1") },
            1 => new() { ["'first'"] = Odds(2), ["campaign"] = One(CampaignIds) },
            _ => new() { ["campaign"] = One([.. CampaignIds, "unseen"]) },
        };

    private decimal Number() => decimal.Parse(One("-1", "0", "0.5", "1", "2.25", "1000", "999999999999"));

    private static JsonObject Test(string field, string op, JsonNode? value = null)
    {
        var test = new JsonObject { ["field"] = field, ["op"] = op };
        if (value is not null)
        {
            test["value"] = value;
        }

        return test;
    }

    private void Maybe(Action action)
    {
        if (!Odds(3))
        {
            action();
        }
    }

    private bool Odds(int oneIn) => _random.Next(oneIn) == 0;

    private T One<T>(params T[] items) => items[_random.Next(items.Length)];
#pragma warning restore CA5394
}
