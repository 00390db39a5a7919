using System.Globalization;

namespace Campaigns.Reports;

/// <summary>The words of the page in one language.</summary>
public sealed class ReportWords
{
    private static readonly (string Name, string English, string Chinese)[] Entries =
    [
        ("title", "Campaign report", "营销活动报告"),
        ("run", "Run", "批次"),
        ("through", "Computed through", "数据截至"),
        ("goal", "Goal", "目标"),
        ("within", "within", "窗口期"),
        ("days", "days", "天"),
        ("lift", "Lift against the holdout", "相对对照组的增量"),
        ("funnel", "Funnel", "转化漏斗"),
        ("byDay", "Conversions by day", "每日转化"),
        ("soFar", "Share of each arm that has converted so far.", "各组截至当日的累计转化率。"),
        ("table", "As a table", "查看表格"),
        ("timetable", "Timetable", "触达时间表"),
        ("ledger", "Ledger", "批次台账"),
        ("byVariant", "Variants", "方案对比"),
        ("byChannel", "Channels", "渠道"),
        ("bySegment", "Segments", "客群"),
        (
            "inEach",
            "Whoever is in several segments counts in each: they may add up to more than the whole.",
            "属于多个客群的客户在每个客群中各计一次：各客群之和可能超过总数。"
        ),
        ("metric", "Figure", "指标"),
        ("value", "Value", "数值"),
        ("interval", "95 % interval", "95% 置信区间"),
        ("unique", "Customers", "客户数"),
        ("total", "Times", "次数"),
        ("ofPlanned", "Of planned", "占计划触达"),
        ("audience", "Audience", "受众"),
        ("planned", "Planned", "计划触达"),
        ("attempted", "Attempted", "已发送"),
        ("accepted", "Accepted", "通道已受理"),
        ("delivered", "Delivered", "已送达"),
        ("opened", "Opened", "已打开"),
        ("clicked", "Clicked", "已点击"),
        ("converted", "Converted", "已转化"),
        ("treated", "Treated", "触达组"),
        ("control", "Held out", "对照组"),
        ("arm", "Arm", "组别"),
        ("group", "Group", "群体"),
        ("customers", "Customers", "客户数"),
        ("rate", "Rate", "转化率"),
        ("difference", "Difference of rates (points)", "转化率之差（百分点）"),
        ("differenceAndInterval", "Difference (points), 95 % interval", "转化率之差（百分点），95% 置信区间"),
        ("relative", "Relative lift", "相对提升"),
        ("incremental", "Incremental conversions", "增量转化数"),
        ("sequence", "Difference, valid at every look (points)", "转化率之差，可随时查看（百分点）"),
        ("pValue", "p-value", "p 值"),
        ("adjusted", "p-value, Holm", "p 值（Holm 校正）"),
        ("sequenceP", "p-value, valid at every look", "p 值，可随时查看"),
        ("conversions", "Conversions", "转化数"),
        ("meanConversions", "Conversions per customer", "客均转化数"),
        ("conversionsPer", "Conversions per customer, difference", "客均转化数之差"),
        ("conversionsPerP", "p-value, conversions per customer", "p 值（客均转化数）"),
        ("valuePer", "Value per customer, difference", "客均金额之差"),
        ("incrementalValue", "Incremental value", "增量金额"),
        ("number", "Change of the goal's number", "目标数值的变化"),
        ("waiting", "Window not ended yet", "窗口期未结束"),
        ("lookedUp", "Looked up", "已取数"),
        ("withoutValue", "Without a value", "无数值"),
        ("meanBefore", "Before", "发送前"),
        ("meanChange", "Change", "变化"),
        ("change", "Change per customer, difference", "客均变化之差"),
        ("cuped", "The same, by what was there before (CUPED)", "同上，按事前数值调整（CUPED）"),
        ("changeP", "p-value of the change", "变化的 p 值"),
        ("cupedP", "p-value, CUPED", "p 值（CUPED）"),
        ("lastYear", "The same period last year", "去年同期"),
        (
            "lastYearWhy",
            "This describes and proves nothing: nobody had been assigned to an arm then, and only those who have both of "
                + "last year's numbers are in it. What came of the campaign is the difference between the arms above.",
            "仅作描述，不能证明效果：当时尚未随机分组，且只含去年两个数值均有的客户。活动的效果以上面两组之差为准。"
        ),
        ("withLastYear", "With both of last year's numbers", "有去年两个数值的客户"),
        ("meanChangeLastYear", "Change last year", "去年同期变化"),
        ("timeToConvert", "Days to the first conversion", "首次转化所需天数"),
        ("daysToQuarter", "A quarter", "四分之一"),
        ("daysToHalf", "Half", "一半"),
        ("daysToThreeQuarters", "Three quarters", "四分之三"),
        ("daysToNineTenths", "Nine tenths", "十分之九"),
        ("attribution", "Attributed conversions (no lift)", "归因转化（非增量）"),
        ("model:last", "Last touch within the window", "窗口期内末次触达"),
        ("model:first", "First touch within the window", "窗口期内首次触达"),
        ("model:all", "Every touch within the window", "窗口期内全部触达"),
        ("notCausal", "Not causal", "非因果对比"),
        (
            "notCausalWhy",
            "These groups differ before anything is sent: only the lift says what came of the campaign.",
            "这些群体在发送之前就不同：只有增量能说明活动的效果。"
        ),
        ("participating", "Opened or clicked", "参与（打开或点击）"),
        ("notParticipating", "Did neither", "未参与"),
        ("periodBefore", "Both arms, the period before", "两组，前一周期"),
        ("thisPeriod", "Both arms, this period", "两组，本周期"),
        ("variant", "Variant", "方案"),
        ("segment", "Segment", "客群"),
        ("channel", "Channel", "渠道"),
        ("window", "Send window", "触达时段"),
        ("sentTo", "Sent, by the provider's count", "通道回报已发送"),
        ("notSent", "Accepted, not sent by that count", "已受理、通道未计为已发送"),
        ("day", "Day", "日期"),
        ("touches", "Touches", "触达"),
        ("heldOut", "Held out", "留出（对照组）"),
        ("heldOutGlobal", "Held out bank-wide", "留出（全行对照）"),
        ("suppressed", "Suppressed", "已抑制"),
        ("heldOutConverted", "Held out, converted", "对照组已转化"),
        ("heldOutRate", "Held out, rate", "对照组转化率"),
        ("states", "Where the touches stand", "触达状态"),
        ("now:planned", "Waiting to be sent", "待发送"),
        ("now:attempted", "Attempted, not answered yet", "已发送，通道未答复"),
        ("now:accepted", "Accepted, no receipt yet", "已受理，尚无回执"),
        ("now:delivered", "Delivered, by receipt", "回执已送达"),
        ("now:failed", "Failed", "失败"),
        ("now:expired", "Expired", "已过期"),
        ("now:cancelled", "Cancelled", "已取消"),
        ("now:suppressed", "Withheld at sending", "发送时拦截"),
        ("now:unknown", "Result unknown", "结果未知"),
        ("notDrawn", "Send windows in the table only", "仅在表格中列出的时段"),
        ("state", "State", "状态"),
        ("noData", "Nothing yet.", "暂无数据。"),
        (
            "alarm",
            "Do not trust this report: the arms are not what was planned (sample ratio mismatch).",
            "请勿采信本报告：各组人数与计划不符（样本比例失衡）。"
        ),
        ("clear", "The interval leaves out 0: the campaign made a difference.", "区间不含 0：活动产生了效果。"),
        (
            "unclear",
            "The interval contains 0: no difference can be told from chance.",
            "区间包含 0：尚不能与随机波动区分。"
        ),
        (
            "clearSoFar",
            "The campaign is not over. The interval that is valid at every look leaves out 0: it makes a difference.",
            "活动尚未结束。可随时查看的区间不含 0：活动产生了效果。"
        ),
        (
            "unclearSoFar",
            "The campaign is not over: by the interval that is valid at every look, no difference can be told from chance yet.",
            "活动尚未结束：按可随时查看的区间，尚不能与随机波动区分。"
        ),
        (
            "everyone",
            "Everyone assigned at planning is counted, delivered or not; the rule is the same for both arms.",
            "按计划时的分组统计全部客户，无论是否送达；两组规则相同。"
        ),
        ("noHoldout", "nobody was held out", "未设对照组"),
        ("nobodyTreated", "nobody was treated", "无触达客户"),
        ("noConversions", "an arm has no conversion", "有一组没有转化"),
        ("noVariation", "all have the same value", "所有客户取值相同"),
        ("tooFewCustomers", "too few customers", "客户太少"),
        ("tooEarly", "too early to look", "查看过早"),
        ("armsTooSmall", "the arms are too small", "组别人数太少"),
        ("notAnEvent", "the goal is a number, not an event", "目标是数值，不是事件"),
        ("tooLarge", "too large to compute", "数值过大"),
        ("wechat", "WeChat", "微信"),
        ("sms", "SMS", "短信"),
        ("app", "App", "App 推送"),
        ("excluded", "Excluded", "排除客群"),
        ("minor", "Minor", "未成年人"),
        ("unsuitable", "Unsuitable", "风险不匹配"),
        ("personalisation_off", "Personalisation off", "关闭个性化"),
        ("already_enrolled", "Already enrolled", "已参加"),
        ("duplicate_address", "Duplicate address", "地址重复"),
        ("opted_out", "Opted out", "已退订"),
        ("no_consent", "No consent", "未授权"),
        ("unreachable", "Unreachable", "无法触达"),
        ("no_window", "No window", "无合法时段"),
        ("not_in_top", "Not in the top", "未入选前列"),
        ("over_budget", "Over budget", "超出预算"),
        ("frequency_cap", "Frequency cap", "频次上限"),
        ("outranked", "Outranked", "优先级让位"),
        ("state:planned", "running", "进行中"),
        ("state:closed", "closed", "已结束"),
        ("state:cancelled", "cancelled", "已取消"),
    ];

    private readonly IReadOnlyDictionary<string, string> _words;

    private ReportWords(string language, CultureInfo culture, IReadOnlyDictionary<string, string> words) =>
        (Language, Culture, _words) = (language, culture, words);

    public static readonly ReportWords English = new("en", CultureInfo.InvariantCulture, Words(english: true));

    public static readonly ReportWords Chinese = new("zh-CN", CultureInfo.InvariantCulture, Words(english: false));

    /// <summary>As in the page's <c>lang</c>.</summary>
    public string Language { get; }

    internal CultureInfo Culture { get; }

    /// <summary>The word for a name of the report; the name itself where there is none.</summary>
    internal string this[string name] => _words.GetValueOrDefault(name, name);

    private static Dictionary<string, string> Words(bool english) =>
        Entries.ToDictionary(entry => entry.Name, entry => english ? entry.English : entry.Chinese);
}
