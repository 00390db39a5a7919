namespace Campaigns.Demo;

/// <summary>The demo speaks 中文 where the environment's LANG begins with zh, else English.</summary>
internal sealed class Words
{
    private readonly bool _chinese =
        (
            Environment.GetEnvironmentVariable("LC_ALL") is { Length: > 0 } all
                ? all
                : Environment.GetEnvironmentVariable("LANG")
        )?.StartsWith("zh", StringComparison.OrdinalIgnoreCase) == true;

    private static readonly Dictionary<string, string> Names = new()
    {
        ["wechat"] = "微信",
        ["app"] = "App 推送",
        ["sms"] = "短信",
        ["excluded"] = "排除客群",
        ["minor"] = "未成年人",
        ["unsuitable"] = "不适当",
        ["personalisation_off"] = "关闭个性化",
        ["already_enrolled"] = "已参加",
        ["duplicate_address"] = "联系方式重复",
        ["opted_out"] = "已退订",
        ["no_consent"] = "未授权",
        ["unreachable"] = "无法触达",
        ["no_window"] = "无可用时段",
        ["not_in_top"] = "不在重点名单",
        ["over_budget"] = "超出预算",
        ["frequency_cap"] = "频次上限",
        ["outranked"] = "让位于更高优先级",
        ["planned"] = "已计划",
        ["attempted"] = "已尝试",
        ["accepted"] = "已受理",
        ["delivered"] = "已送达",
        ["failed"] = "失败",
        ["suppressed"] = "发送前拦截",
        ["expired"] = "已过期",
        ["cancelled"] = "已取消",
        ["unknown"] = "未知",
        ["opened"] = "打开",
        ["clicked"] = "点击",
        ["converted"] = "转化",
    };

    public string Say(string english, string chinese) => _chinese ? chinese : english;

    /// <summary>A channel, reason, state or metric, as the API names it.</summary>
    public string Name(string name) =>
        _chinese && Names.TryGetValue(name, out var chinese) ? chinese : name.Replace('_', ' ');
}
