namespace Campaigns.Reports;

/// <summary>A metric of reports.</summary>
/// <param name="Name">As in every report.</param>
/// <param name="Unit"><c>customers</c>, <c>times</c>, <c>days</c>, <c>rate</c>, <c>value</c>, <c>number</c> or
/// <c>probability</c>.</param>
public sealed record Metric(string Name, string Unit, string Definition);

/// <summary>The one catalogue of metrics: two numbers of one name are counted by one rule.</summary>
public static class Metrics
{
    private sealed record Entry(string Name, string Unit, string English, string Chinese);

    /// <summary>In English.</summary>
    public static IReadOnlyList<Metric> All => In(chinese: false);

    /// <summary>In Chinese or in English.</summary>
    public static IReadOnlyList<Metric> In(bool chinese) =>
        [.. Entries.Select(entry => new Metric(entry.Name, entry.Unit, chinese ? entry.Chinese : entry.English))];

    private static readonly Entry[] Entries =
    [
        new(
            "audience",
            "customers",
            "Members of the campaign's segments at the run's instant, the excluded among them. By segment, members of that "
                + "one: whoever is in several counts in each, in this and in every figure by segment.",
            "批次时点属于活动客群的客户，含被排除者。按客群时为该客群的成员：属于多个客群的客户在每个客群的各项指标中各计一次。"
        ),
        new(
            "touches",
            "customers",
            "Customers for whom planning decided a touch: the treated arm.",
            "计划阶段决定触达的客户，即触达组。"
        ),
        new("planned", "customers", "The same as touches, as a step of the funnel.", "同 touches，作为漏斗的一步。"),
        new(
            "heldOut",
            "customers",
            "Customers this campaign held out: the control arm.",
            "本活动留出的客户，即对照组。"
        ),
        new(
            "heldOutGlobal",
            "customers",
            "Customers held out bank-wide: in neither arm.",
            "全行对照组客户：不属于任何一组。"
        ),
        new(
            "suppressed",
            "customers",
            "Customers left out at planning, by the first reason that failed.",
            "计划阶段被抑制的客户，按首个未通过的原因。"
        ),
        new("touchesByChannel", "customers", "Touches by the channel that was planned.", "按计划渠道的触达。"),
        new(
            "touchesByState",
            "customers",
            "Touches by where they stand now, each in one state: planned waits to be sent, attempted has no answer yet, "
                + "accepted no receipt yet. The funnel's steps of these names count whoever ever came as far.",
            "按当前状态的触达，每次触达只属一种状态：planned 为待发送，attempted 为通道未答复，accepted 为尚无回执。"
                + "漏斗的同名步骤则统计曾到达该步的全部客户。"
        ),
        new(
            "attempted",
            "customers",
            "Customers for whom at least one request to a provider was about to be sent. Total: attempts.",
            "至少向通道发起过一次请求的客户。次数：请求数。"
        ),
        new(
            "accepted",
            "customers",
            "Customers with an attempt that a provider took, or that was delivered. Total: attempts taken.",
            "通道已受理或已送达的客户。次数：受理数。"
        ),
        new(
            "delivered",
            "customers",
            "Customers with a receipt that says delivered. Total: such receipts.",
            "有送达回执的客户。次数：送达回执数。"
        ),
        new(
            "opened",
            "customers",
            "Customers who opened a message. Total: openings.",
            "打开过消息的客户。次数：打开数。"
        ),
        new(
            "clicked",
            "customers",
            "Customers who followed a link. Total: clicks.",
            "点击过链接的客户。次数：点击数。"
        ),
        new(
            "calls",
            "times",
            "Mass sends of the window's touches whose counts have come from the provider; it counts each as a whole, and names "
                + "nobody.",
            "该时段群发中，通道已回报统计的次数；通道只按次统计，不说明是哪些人。"
        ),
        new(
            "named",
            "customers",
            "Customers whom these named: they stand as accepted.",
            "这些群发的收件客户，状态为已受理。"
        ),
        new(
            "filtered",
            "customers",
            "Of these, followers left after the provider's filters, such as who had four this month.",
            "经通道过滤（如当月已收满四条）后剩余的粉丝数。"
        ),
        new("sentTo", "customers", "Followers to whom the provider says it sent.", "通道回报已发送的粉丝数。"),
        new("failed", "customers", "Followers to whom sending failed at the provider.", "通道回报发送失败的粉丝数。"),
        new(
            "notSent",
            "customers",
            "Named, and by the provider's count not sent: filtered out or failed.",
            "收件客户中通道未计为已发送者：被过滤或失败。"
        ),
        new(
            "customers",
            "customers",
            "Everyone assigned to the arm at planning, delivered or not; in a comparison that is not "
                + "causal, the customers of the group, and of both periods without those erased since.",
            "计划时分入该组的全部客户，无论是否送达；非因果对比中为该群体的客户，其中两个周期均不含此后被删除信息的客户。"
        ),
        new(
            "converted",
            "customers",
            "Customers with a goal event in [start, start + window) that was not taken back; start is the "
                + "opening of the planned send window. In the funnel, of the treated arm. Total: conversions.",
            "在 [起点, 起点 + 窗口期) 内发生目标事件且未撤销的客户；起点为计划触达时段的开始。漏斗中为触达组。次数：转化数。"
        ),
        new(
            "conversions",
            "times",
            "Such events, each where every one counts, else the customer's first.",
            "上述事件数；若只计首次，则每位客户计一次。"
        ),
        new(
            "value",
            "value",
            "Sum of the conversions' amounts in the goal's currency; other currencies are never added.",
            "转化金额之和，仅限目标币种；不同币种从不相加。"
        ),
        new(
            "otherCurrency",
            "times",
            "Conversions whose amount is in another currency, and not in the value.",
            "金额为其他币种、未计入金额的转化数。"
        ),
        new("rate", "rate", "Converted over customers.", "已转化客户除以客户数。"),
        new(
            "difference",
            "rate",
            "Conversion rate of everyone assigned to the treated arm less that of the control arm, "
                + "delivered or not; 95 % interval by Newcombe's method 10.",
            "触达组全部客户的转化率减去对照组的转化率，无论是否送达；95% 区间用 Newcombe 方法 10。"
        ),
        new(
            "relative",
            "rate",
            "Treated rate over control rate less 1; 95 % log interval by Katz.",
            "触达组转化率除以对照组转化率再减 1；95% 区间用 Katz 对数法。"
        ),
        new(
            "incrementalConversions",
            "customers",
            "Conversions beyond what the control arm's rate would have brought; the interval of the "
                + "difference, scaled.",
            "超出按对照组转化率应有数量的转化；区间由差值区间换算。"
        ),
        new(
            "incrementalValue",
            "value",
            "Value of the treated arm beyond what the control arm's value per customer would have "
                + "brought; the interval of valuePerCustomer, scaled.",
            "触达组超出按对照组客均金额应有的金额；区间由客均金额之差换算。"
        ),
        new(
            "pValue",
            "probability",
            "Of no difference of the rates, two-sided: z test with the pooled rate.",
            "转化率无差异的双侧 p 值：合并比例 z 检验。"
        ),
        new(
            "adjustedPValue",
            "probability",
            "The p-value by Holm over the variants.",
            "对各方案做 Holm 校正后的 p 值。"
        ),
        new(
            "sequence",
            "rate",
            "The difference with an interval that holds over all looks together: a normal mixture "
                + "confidence sequence. It is tightest at as many customers of both arms as the goal says "
                + "(sequenceCustomers, N*; 5,000 unless said), fixed when the campaign is approved.",
            "可随时查看的差值，区间在所有查看中同时成立：正态混合置信序列。两组客户数为目标所定的 sequenceCustomers（N*，"
                + "未设时为 5,000）时区间最窄；该数随活动审批确定。"
        ),
        new(
            "sequencePValue",
            "probability",
            "Of no difference, valid at every look.",
            "无差异的 p 值，随时查看均有效。"
        ),
        new(
            "meanConversions",
            "number",
            "Conversions per assigned customer, delivered or not, where every one counts. Where only the first does, it is the "
                + "rate.",
            "客均转化数，按计划时分入该组的全部客户，无论是否送达；仅在每次转化都计数时给出，只计首次时即为转化率。"
        ),
        new(
            "conversionsPerCustomer",
            "number",
            "Conversions per assigned customer, treated less control, where every one counts; 95 % interval by Welch.",
            "客均转化数，触达组减对照组，仅在每次转化都计数时给出；95% 区间用 Welch 法。"
        ),
        new(
            "conversionsPerCustomerPValue",
            "probability",
            "Of no difference of the conversions per customer, two-sided, by Welch.",
            "客均转化数无差异的双侧 p 值，用 Welch 法。"
        ),
        new(
            "valuePerCustomer",
            "value",
            "Sum of conversions' amounts per assigned customer, treated less control; 95 % interval by Welch.",
            "客均转化金额，触达组减对照组；95% 区间用 Welch 法。"
        ),
        new(
            "sampleRatio",
            "probability",
            "Chance of arms at least as far from the planned shares (chi-square); below 0.001 the report "
                + "must not be trusted. Missing where an arm expects fewer than five customers.",
            "各组人数偏离计划比例至少如此之大的概率（卡方）；低于 0.001 时报告不可采信。任一组预期不足五人时不给出。"
        ),
        new(
            "daysToQuarter",
            "days",
            "Days within which a quarter of those who converted had done so, from the day on which the "
                + "customer's window opened.",
            "四分之一的转化客户完成首次转化所需天数，自触达时段开始当日起算。"
        ),
        new("daysToHalf", "days", "The same, half: the median.", "同上，一半：中位数。"),
        new("daysToThreeQuarters", "days", "The same, three quarters.", "同上，四分之三。"),
        new("daysToNineTenths", "days", "The same, nine tenths.", "同上，十分之九。"),
        new(
            "lookedUp",
            "customers",
            "Customers of the arm whose number was looked up before anything was sent and at the window's end.",
            "在发送前和窗口期末均已取数的客户。"
        ),
        new(
            "withoutValue",
            "customers",
            "Of these, without the number at one of the two times; counted with 0.",
            "其中有一次没有该数值的客户；按 0 计。"
        ),
        new("meanBefore", "number", "The number before, per customer.", "发送前的客均数值。"),
        new("meanChange", "number", "Its change to the window's end, per customer.", "至窗口期末的客均变化。"),
        new(
            "waiting",
            "customers",
            "Customers of both arms whose window has not ended yet.",
            "窗口期尚未结束的两组客户。"
        ),
        new(
            "change",
            "number",
            "Change per customer, treated less control; 95 % interval by Welch.",
            "客均变化，触达组减对照组；95% 区间用 Welch 法。"
        ),
        new("changePValue", "probability", "Of no difference of the change, two-sided.", "变化无差异的双侧 p 值。"),
        new(
            "cuped",
            "number",
            "The change less what the number before foretells of it (CUPED); 95 % interval by Welch.",
            "扣除事前数值可预测部分后的变化（CUPED）；95% 区间用 Welch 法。"
        ),
        new(
            "cupedPValue",
            "probability",
            "Of no difference by CUPED; by variant also adjusted by Holm.",
            "CUPED 无差异的双侧 p 值；按方案时另做 Holm 校正。"
        ),
        new(
            "withLastYear",
            "customers",
            "Of those looked up, with both of last year's numbers.",
            "已取数客户中，去年同期的两个数值均有者。"
        ),
        new(
            "meanChangeLastYear",
            "number",
            "The number's change in the same period last year, per customer who has both of last year's numbers. It "
                + "describes and proves nothing: nobody had been assigned to an arm then.",
            "去年同期该数值的客均变化，仅限去年两个数值均有的客户。仅作描述，不能证明效果：当时尚未随机分组。"
        ),
        new(
            "attributedConversions",
            "times",
            "Conversions of the treated arm that the model gives to this run, among the runs they count "
                + "for that had tried to reach the customer before. No lift.",
            "按所述模型归因于本批次的触达组转化。不是增量。"
        ),
    ];
}
