using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Tests.Support;
using FsCheck;
using FsCheck.Fluent;

namespace Campaigns.Tests.Planning;

public sealed class LedgerPropertyTests
{
    private static readonly RunPlan Plan = new()
    {
        CampaignId = "any",
        CampaignVersion = 1,
        Purpose = Purpose.Marketing,
        Priority = 5,
        Include = [],
        Exclude = [],
        Channels = [Channel.Sms, Channel.WeChat, Channel.App],
        Variants = [new PlannedVariant(1, "a", 3_000), new PlannedVariant(2, "b", 10_000)],
        Templates = [],
        Goal = new Goal { Event = "bought", Window = TimeSpan.FromDays(1) },
        Caps = new FrequencyCaps(),
        HoldoutBuckets = 0,
        HoldoutSalt = "h",
        VariantSalt = "v",
    };

    [Fact]
    public void The_audience_is_held_out_suppressed_and_touches_whatever_was_counted() =>
        Seeded.ForAll(
            Rows().ListOf(),
            2_000,
            rows =>
            {
                var ledger = Ledgers.Of([.. rows], Plan);

                Assert.Equal(rows.Sum(row => row.Customers), ledger.Audience);
                Assert.Equal(
                    ledger.Audience,
                    ledger.HeldOut + ledger.HeldOutGlobal + ledger.Suppressed.Values.Sum() + ledger.Touches
                );
                Assert.Equal(ledger.Touches, ledger.TouchesByChannel.Values.Sum());
                Assert.Equal(ledger.Touches, ledger.TouchesByVariant.Values.Sum());
            }
        );

    private static Gen<LedgerRow> Rows() =>
        from reason in Gen.Elements(Enum.GetValues<Reason>())
        from channel in Gen.Elements(Enum.GetValues<Channel>())
        from variant in Gen.Choose(1, 2)
        from wave in Gen.Choose(1, 5)
        from customers in Gen.Choose(1, int.MaxValue)
        select reason == Reason.Touch
            ? new LedgerRow(0, (short)channel, (short)variant, wave, customers)
            : new LedgerRow((short)reason, (short)channel, 0, wave, customers);
}
