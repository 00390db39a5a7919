using System.Globalization;

namespace Campaigns.Demo;

/// <summary>A synthetic bank: customer n is the same person on every machine, whatever the number of customers.</summary>
internal static class Bank
{
    // A grant or a refusal lies before every demo.
    private static readonly DateTimeOffset Asked = new(2025, 3, 1, 9, 0, 0, TimeSpan.FromHours(8));

    private static readonly string[] Surnames =
    [
        "王",
        "李",
        "张",
        "刘",
        "陈",
        "杨",
        "赵",
        "黄",
        "周",
        "吴",
        "徐",
        "孙",
        "马",
        "朱",
        "胡",
        "郭",
    ];
    private static readonly string[] GivenNames =
    [
        "伟",
        "芳",
        "娜",
        "敏",
        "静",
        "强",
        "磊",
        "洋",
        "艳",
        "勇",
        "杰",
        "娟",
        "涛",
        "明",
        "超",
        "秀英",
        "桂英",
        "子涵",
        "欣怡",
        "浩然",
        "梓萱",
        "宇轩",
    ];
    private static readonly string[] Occupations =
    [
        "factory",
        "delivery",
        "construction",
        "office",
        "retail",
        "self-employed",
    ];

    public static readonly string[] Cities =
    [
        "上海",
        "北京",
        "深圳",
        "广州",
        "杭州",
        "成都",
        "苏州",
        "武汉",
        "南京",
        "乌鲁木齐",
    ];

    public static readonly Field[] Fields =
    [
        new Field("name", "text", "Full name"),
        new Field("city", "enum", "Where the customer lives") { Options = Cities },
        new Field("age", "number", "In years"),
        new Field("occupation", "enum", "Line of work") { Options = Occupations },
        new Field("balance", "number", "Over all accounts, CNY") { Sensitive = true },
        new Field("monthly_salary", "number", "Paid in by the employer, CNY") { Sensitive = true },
        new Field("savings_score", "number", "How likely a savings plan is, 0 to 1") { Profiling = true },
    ];

    public static string Id(long n) => string.Create(CultureInfo.InvariantCulture, $"C{n:D9}");

    /// <summary>The customer as <c>POST /v1/customers</c> takes one.</summary>
    public static object Customer(long n, DateOnly today)
    {
        var age = Age(n);
        return new
        {
            id = Id(n),
            profile = new
            {
                attributes = Attributes(n, age),
                tags = Tags(n),
                addresses = new
                {
                    phone = Has(n, "phone", 0.97) ? Phone(SharesPhone(n) ? n - 1 : n) : null,
                    openId = Has(n, "wechat", 0.55) ? OpenId(n) : null,
                    pushId = Has(n, "app", 0.62) ? PushId(n) : null,
                },
                zone = Zone(n),
                preferredChannels = PreferredChannels(n),
                preferredSlots = PreferredSlots(n),
                birthDate = today.AddYears(-age).AddDays(-1 - Chance.Below(360, n, "birthday")),
                student = age < 24 && Chance.Of(n, "student") < 0.4,
            },
        };
    }

    /// <summary>What the customer agreed to or refused, as <c>POST /v1/consents</c> takes it.</summary>
    public static IEnumerable<object> Consents(long n)
    {
        var draw = Chance.Of(n, "consent");
        if (draw < 0.88)
        {
            yield return Consent(n, "marketing", granted: draw >= 0.03);
        }

        if (Chance.Of(n, "sensitive") < 0.93)
        {
            yield return Consent(n, "sensitive", granted: true);
        }

        if (draw < 0.88 && Chance.Of(n, "sms-refused") < 0.06)
        {
            yield return Consent(n, "marketing", granted: false, "sms", later: 30);
        }
    }

    /// <summary>Who is reached at an address of the provider's ledger; null for nobody of this bank.</summary>
    public static long? Owner(string channel, string address) =>
        long.TryParse(
            channel switch
            {
                "sms" => address[^9..],
                "wechat" or "app" => address[^12..],
                _ => "",
            },
            NumberStyles.None,
            CultureInfo.InvariantCulture,
            out var n
        )
            ? n
            : null;

    private static Dictionary<string, object> Attributes(long n, int age)
    {
        var attributes = new Dictionary<string, object>
        {
            ["name"] = Chance.Pick(Surnames, n, "surname") + Chance.Pick(GivenNames, n, "given"),
            ["city"] = Chance.Pick(Cities, n, "city"),
            ["age"] = age,
            ["occupation"] = Chance.Pick(Occupations, n, "occupation"),
            // Most accounts hold little, a few hold much.
            ["balance"] = Math.Round((decimal)(200 * Math.Exp(5.5 * Chance.Of(n, "balance"))), 2),
            ["savings_score"] = Math.Round((decimal)Chance.Of(n, "score"), 3),
        };
        if (Has(n, "payroll", 0.75))
        {
            attributes["monthly_salary"] = 3_000 + (100 * Chance.Below(180, n, "salary"));
        }

        return attributes;
    }

    private static List<string> Tags(long n)
    {
        List<string> tags = [];
        if (Has(n, "new-citizen", 0.72))
        {
            tags.Add("new-citizen");
        }

        if (Has(n, "payroll", 0.75))
        {
            tags.Add("payroll");
        }

        if (Has(n, "staff", 0.02))
        {
            tags.Add("staff");
        }

        return tags;
    }

    // One in a hundred is a child.
    private static int Age(long n) =>
        Chance.Of(n, "child") < 0.01
            ? 9 + Chance.Below(5, n, "age")
            : 18 + (int)(55 * Math.Pow(Chance.Of(n, "age"), 1.4));

    private static string? Zone(long n) =>
        Chance.Of(n, "zone") switch
        {
            < 0.03 => "Asia/Urumqi",
            < 0.035 => "Europe/London",
            _ => null,
        };

    private static string[] PreferredChannels(long n) =>
        Chance.Of(n, "channel") switch
        {
            < 0.15 => ["sms"],
            < 0.30 => ["app", "wechat"],
            _ => [],
        };

    private static string[] PreferredSlots(long n) =>
        Chance.Of(n, "slot") switch
        {
            < 0.10 => ["morning"],
            < 0.35 => ["evening"],
            < 0.38 => ["afternoon"],
            _ => [],
        };

    private static bool SharesPhone(long n) =>
        n > 1 && Chance.Of(n, "shared") < 0.02 && Chance.Of(n - 1, "shared") >= 0.02;

    private static bool Has(long n, string what, double share) => Chance.Of(n, what) < share;

    private static string Phone(long n) => string.Create(CultureInfo.InvariantCulture, $"13{n:D9}");

    private static string OpenId(long n) => string.Create(CultureInfo.InvariantCulture, $"oDemo{n:D12}");

    private static string PushId(long n) => string.Create(CultureInfo.InvariantCulture, $"push{n:D12}");

    private static object Consent(long n, string purpose, bool granted, string channel = "all", int later = 0) =>
        new
        {
            customerId = Id(n),
            channel,
            purpose,
            granted,
            source = "app-settings",
            textVersion = "2025-01",
            occurredAt = Asked.AddMinutes(Chance.Below(60 * 24 * 200, n, purpose)).AddDays(later),
        };

    internal sealed record Field(string Name, string Type, string Description)
    {
        public string[] Options { get; init; } = [];
        public bool Sensitive { get; init; }
        public bool Profiling { get; init; }

        public object Body =>
            new
            {
                type = Type,
                options = Options,
                sensitive = Sensitive,
                profiling = Profiling,
                description = Description,
            };
    }
}
