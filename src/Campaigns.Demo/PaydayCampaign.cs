namespace Campaigns.Demo;

/// <summary>What a marketer of the bank writes: templates, segments that name each other, and a campaign.</summary>
internal static class PaydayCampaign
{
    public const string Id = "new-citizens-payday";
    public const string Goal = "savings.opened";
    public static readonly TimeSpan GoalWindow = TimeSpan.FromDays(7);
    public const int Days = 3;

    public static IEnumerable<(string Id, object Body)> Templates =>
        [
            (
                "payday-wechat",
                Template(
                    "wechat",
                    "新市民专享：工资到账，存一笔安心。点击菜单「薪享储蓄」了解。【示例银行】拒收请回复R"
                )
            ),
            (
                "payday-app",
                Template(
                    "app",
                    "工资到账啦！开通薪享储蓄，每月自动存一笔。",
                    title: "薪享储蓄",
                    link: "bankapp://savings/payday"
                )
            ),
            (
                "payday-sms-plain",
                Template("sms", "{{name}}，薪享储蓄已为您准备好，登录手机银行即可开通。", code: "SMS_100001")
            ),
            (
                "payday-sms-goal",
                Template(
                    "sms",
                    "{{name}}，每月存500，一年就有6000元应急金。登录手机银行开通薪享储蓄。",
                    code: "SMS_100002"
                )
            ),
        ];

    public static IEnumerable<(string Id, object Body)> Segments =>
        [
            ("new-citizens", Segment("新市民", new { tag = "new-citizen" })),
            (
                "paid-by-payroll",
                Segment(
                    "代发工资",
                    new
                    {
                        all = new object[]
                        {
                            new { tag = "payroll" },
                            new
                            {
                                field = "monthly_salary",
                                op = "gte",
                                value = 3_000,
                            },
                        },
                    }
                )
            ),
            (
                "low-balance",
                Segment(
                    "低余额",
                    new
                    {
                        field = "balance",
                        op = "lt",
                        value = 10_000,
                    }
                )
            ),
            (Id, Segment("代发工资的低余额新市民", Rule)),
            Staff,
        ];

    /// <summary>Who is left out.</summary>
    public static (string Id, object Body) Staff => ("staff", Segment("本行员工", new { tag = "staff" }));

    /// <summary>New citizens, paid by payroll, with a low balance: each by its name.</summary>
    private static object Rule =>
        new
        {
            all = new object[]
            {
                new { segment = "new-citizens" },
                new { segment = "paid-by-payroll" },
                new { segment = "low-balance" },
            },
        };

    /// <param name="from">First of the three days.</param>
    /// <param name="pacePerHour">Null for as fast as the channels allow.</param>
    public static object Campaign(DateOnly from, long? pacePerHour) =>
        new
        {
            name = "新市民发薪日储蓄",
            audience = new { include = new[] { Id }, exclude = new[] { "staff" } },
            goal = new { @event = Goal, window = "P7D" },
            variants = new[] { Variant("plain", "payday-sms-plain"), Variant("goal", "payday-sms-goal") },
            channels = new[] { "wechat", "app", "sms" },
            schedule = new
            {
                from,
                to = from.AddDays(Days - 1),
                windows = new[] { new { from = "09:00", to = "11:30" }, new { from = "18:30", to = "20:00" } },
            },
            holdout = 0.10,
            pacePerHour,
            assessment = "PIA-2026-014",
        };

    private static object Variant(string name, string sms) =>
        new
        {
            name,
            weight = 1,
            templates = new Dictionary<string, string>
            {
                ["wechat"] = "payday-wechat",
                ["app"] = "payday-app",
                ["sms"] = sms,
            },
        };

    private static object Template(
        string channel,
        string text,
        string? title = null,
        string? link = null,
        string? code = null
    )
    {
        var template = new Dictionary<string, object>
        {
            ["channel"] = channel,
            ["language"] = "zh-CN",
            ["text"] = text,
            ["defaults"] = new Dictionary<string, string> { ["name"] = "尊敬的客户" },
        };
        Add("title", title);
        Add("link", link);
        Add("providerTemplate", code);
        return template;

        void Add(string member, string? value)
        {
            if (value is not null)
            {
                template[member] = value;
            }
        }
    }

    public static object Segment(string name, object rule) => new { name, rule };
}
