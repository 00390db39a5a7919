using Campaigns.Segments;

namespace Campaigns.Planning;

internal static class ReasonWords
{
    /// <summary>What the reason says of a customer, in a few words.</summary>
    public static string In(this Reason reason, RuleLanguage language)
    {
        var (english, chinese) = Both(reason);
        return language == RuleLanguage.Chinese ? chinese : english;
    }

    private static (string English, string Chinese) Both(Reason reason) =>
        reason switch
        {
            Reason.Touch => ("is reached", "将被触达"),
            Reason.Excluded => ("is in a segment that the campaign excludes", "属于活动排除的客群"),
            Reason.Minor => ("is under 14", "未满 14 周岁"),
            Reason.Unsuitable => (
                "is not suited to the product, or is 65 or older and no approver has allowed that",
                "与产品不适当，或年满 65 周岁而未经审批人许可"
            ),
            Reason.PersonalisationOff => (
                "has switched personalisation off, and the campaign profiles",
                "已关闭个性化推荐，而活动使用画像"
            ),
            Reason.AlreadyEnrolled => ("was reached by an earlier run of the campaign", "已被本活动此前批次触达"),
            Reason.DuplicateAddress => (
                "has only addresses that another customer had first",
                "地址与其他客户重复，由其他客户接收"
            ),
            Reason.OptedOut => ("has refused the channels that could be used", "已拒收可用渠道的消息"),
            Reason.NoConsent => (
                "has not consented to marketing on the channels that could be used",
                "未同意可用渠道的营销"
            ),
            Reason.Unreachable => ("has no address on a channel of the campaign", "在活动渠道上没有地址"),
            Reason.NoWindow => ("has no send window left", "没有可用的触达时段"),
            Reason.NotInTop => ("is not among the best of the ranking", "未进入排名前列"),
            Reason.OverBudget => ("comes after the channel's budget is used up", "渠道预算已用完"),
            Reason.FrequencyCap => ("has been reached as often as customers may be", "已达到触达频次上限"),
            Reason.Outranked => ("is reached by a campaign of higher priority", "被更高优先级的活动触达"),
            Reason.HeldOutGlobal => ("is held out of all campaigns", "属于全局对照组"),
            Reason.HeldOut => ("is held out of this campaign", "属于本活动对照组"),
            _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, "No words for it."),
        };
}
