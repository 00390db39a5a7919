using System.Globalization;
using System.Text;

namespace Campaigns.Demo;

/// <summary>A synthetic bank: customer n is the same person on every machine, whatever the number of customers.</summary>
internal sealed class Bank(int count, DateOnly today) : ICustomerSource
{
    private const int FlushBytes = 1 << 16;

    // What customers agreed to or refused lies before every demo.
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

    private static readonly string[] Cities =
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

    private static readonly string[] Columns =
    [
        "id",
        "name",
        "city",
        "age",
        "occupation",
        "balance",
        "monthly_salary",
        "savings_score",
        "new_citizen",
        "payroll",
        "staff",
        "phone",
        "open_id",
        "push_id",
        "zone",
        "channels",
        "slots",
        "birth_date",
        "student",
        "marketing",
        "sms_marketing",
        "sensitive",
        "agreed_at",
    ];

    public int Count => count;

    public IEnumerable<BankField> Fields =>
        [
            new("name", "text") { Description = "Full name" },
            new("city", "enum") { Description = "Where the customer lives", Options = Cities },
            new("age", "number") { Description = "In years" },
            new("occupation", "enum") { Description = "Line of work", Options = Occupations },
            new("balance", "number") { Description = "Over all accounts, CNY", Sensitive = true },
            new("monthly_salary", "number") { Description = "Paid in by the employer, CNY", Sensitive = true },
            new("savings_score", "number") { Description = "How likely a savings plan is, 0 to 1", Profiling = true },
        ];

    public object Mapping =>
        new
        {
            id = new { column = "id" },
            columns = new[]
            {
                To("name", "attribute", "name"),
                To("city", "attribute", "city"),
                To("age", "attribute", "age"),
                To("occupation", "attribute", "occupation"),
                To("balance", "attribute", "balance"),
                To("monthly_salary", "attribute", "monthly_salary"),
                To("savings_score", "attribute", "savings_score"),
                To("new_citizen", "tag", "new-citizen"),
                To("payroll", "tag", "payroll"),
                To("staff", "tag", "staff"),
                To("phone", "phone"),
                To("open_id", "openid"),
                To("push_id", "pushid"),
                To("zone", "zone"),
                To("channels", "preferredchannels"),
                To("slots", "preferredslots"),
                To("birth_date", "birthdate"),
                To("student", "student"),
                To("marketing", "consent", "all"),
                To("sms_marketing", "consent", "sms"),
                To("sensitive", "consent", "sensitive"),
            },
            proof = new
            {
                source = "app-settings",
                textVersion = "2025-01",
                occurredAtColumn = "agreed_at",
            },
        };

    public IEnumerable<(string Id, object Body)> Segments => PaydayCampaign.Segments;

    public string Id(int n) => string.Create(CultureInfo.InvariantCulture, $"C{n:D9}");

    public int? Owner(string channel, string address) =>
        SyntheticAddress.Owner(channel, address) is { } n && n <= count ? n : null;

    public async Task WriteAsync(Stream to, Action<int> wrote, CancellationToken cancellationToken)
    {
        var text = new StringBuilder(2 * FlushBytes).AppendJoin(',', Columns).Append('\n');
        for (var n = 1; n <= count; n++)
        {
            text.AppendJoin(',', Row(n)).Append('\n');
            if (text.Length >= FlushBytes || n == count)
            {
                await to.WriteAsync(Encoding.UTF8.GetBytes(text.ToString()), cancellationToken);
                text.Clear();
                wrote(n);
            }
        }
    }

    /// <summary>In the order of the columns; nothing in it needs quotes.</summary>
    private string[] Row(int n)
    {
        var age = Age(n);
        var payroll = Has(n, "payroll", 0.75);
        var consent = Chance.Of(n, "consent");
        return
        [
            Id(n),
            Chance.Pick(Surnames, n, "surname") + Chance.Pick(GivenNames, n, "given"),
            Chance.Pick(Cities, n, "city"),
            Text(age),
            Chance.Pick(Occupations, n, "occupation"),
            // Most accounts hold little, a few hold much.
            Text(Math.Round((decimal)(200 * Math.Exp(5.5 * Chance.Of(n, "balance"))), 2)),
            payroll ? Text(3_000 + (100 * Chance.Below(180, n, "salary"))) : "",
            Text(Math.Round((decimal)Chance.Of(n, "score"), 3)),
            Yes(Has(n, "new-citizen", 0.72)),
            Yes(payroll),
            Yes(Has(n, "staff", 0.02)),
            Has(n, "phone", 0.97) ? SyntheticAddress.Phone(SharesPhone(n) ? n - 1 : n) : "",
            Has(n, "wechat", 0.55) ? SyntheticAddress.OpenId(n) : "",
            Has(n, "app", 0.62) ? SyntheticAddress.PushId(n) : "",
            Zone(n),
            PreferredChannels(n),
            PreferredSlots(n),
            today
                .AddYears(-age)
                .AddDays(-1 - Chance.Below(360, n, "birthday"))
                .ToString("O", CultureInfo.InvariantCulture),
            Yes(age < 24 && Chance.Of(n, "student") < 0.4),
            consent < 0.03 ? "no"
            : consent < 0.88 ? "yes"
            : "",
            consent < 0.88 && Has(n, "sms-refused", 0.06) ? "no" : "",
            Has(n, "sensitive", 0.93) ? "yes" : "",
            Asked
                .AddMinutes(Chance.Below(60 * 24 * 200, n, "agreed"))
                .ToString("yyyy-MM-ddTHH:mm:ssK", CultureInfo.InvariantCulture),
        ];
    }

    // One in a hundred is a child.
    private static int Age(long n) =>
        Has(n, "child", 0.01) ? 9 + Chance.Below(5, n, "age") : 18 + (int)(55 * Math.Pow(Chance.Of(n, "age"), 1.4));

    private static string Zone(long n) =>
        Chance.Of(n, "zone") switch
        {
            < 0.03 => "Asia/Urumqi",
            < 0.035 => "Europe/London",
            _ => "",
        };

    private static string PreferredChannels(long n) =>
        Chance.Of(n, "channel") switch
        {
            < 0.15 => "sms",
            < 0.30 => "app|wechat",
            _ => "",
        };

    private static string PreferredSlots(long n) =>
        Chance.Of(n, "slot") switch
        {
            < 0.10 => "morning",
            < 0.35 => "evening",
            < 0.38 => "afternoon",
            _ => "",
        };

    private static bool SharesPhone(long n) => n > 1 && Has(n, "shared", 0.02) && !Has(n - 1, "shared", 0.02);

    private static bool Has(long n, string what, double share) => Chance.Of(n, what) < share;

    private static string Yes(bool holds) => holds ? "yes" : "no";

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);

    private static object To(string column, string to, string? name = null) =>
        name is null
            ? new
            {
                column,
                to,
                optional = true,
            }
            : new
            {
                column,
                to,
                name,
                optional = true,
            };
}
