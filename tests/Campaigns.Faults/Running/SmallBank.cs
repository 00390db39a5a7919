using System.Globalization;
using System.Text;
using Campaigns.Demo;

namespace Campaigns.Faults.Running;

/// <summary>A small bank: of customer n everything is known here too, so that what the database says can be held against
/// it.</summary>
internal sealed class SmallBank(int from, int to) : ICustomerSource
{
    /// <summary>Keys leap at each, so that a run of few customers has several parts.</summary>
    public const int Slices = 6;

    /// <summary>One in so many has no value for <c>nick</c>.</summary>
    public const int Poisoned = 50;

    public int Count => to - from + 1;

    public IEnumerable<BankField> Fields => [new("n", "number"), new("name", "text"), new("nick", "text")];

    public IEnumerable<(string Id, object Body)> Segments => [];

    public object Mapping =>
        new
        {
            id = new { column = "id" },
            columns = new object[]
            {
                new
                {
                    column = "n",
                    to = "attribute",
                    name = "n",
                },
                new
                {
                    column = "name",
                    to = "attribute",
                    name = "name",
                },
                new
                {
                    column = "nick",
                    to = "attribute",
                    name = "nick",
                    optional = true,
                },
                new
                {
                    column = "phone",
                    to = "phone",
                    optional = true,
                },
                new
                {
                    column = "push_id",
                    to = "pushid",
                    optional = true,
                },
                new
                {
                    column = "marketing",
                    to = "consent",
                    name = "all",
                    optional = true,
                },
            },
            proof = new
            {
                source = "app-settings",
                textVersion = "2025-01",
                occurredAt = "2025-03-01T09:00:00+08:00",
            },
        };

    public static string IdOf(long n) => string.Create(CultureInfo.InvariantCulture, $"C{n:D9}");

    public static int Number(string customerId) => int.Parse(customerId.AsSpan(1), CultureInfo.InvariantCulture);

    /// <summary>One in ten has not agreed, half of them in so many words.</summary>
    public static bool Agrees(int n) => n % 10 != 3;

    public static bool IsReached(int n, string channel) => channel == "sms" ? n % 33 != 5 : n % 29 != 4;

    public static bool HasNick(int n) => n % Poisoned != 7;

    public string Id(int n) => IdOf(n);

    public int? Owner(string channel, string address) => SyntheticAddress.Owner(channel, address);

    public async Task WriteAsync(Stream to1, Action<int> wrote, CancellationToken cancellationToken)
    {
        var text = new StringBuilder("id,n,name,nick,phone,push_id,marketing\n");
        for (var n = from; n <= to; n++)
        {
            var number = n.ToString(CultureInfo.InvariantCulture);
            text.AppendJoin(
                    ',',
                    IdOf(n),
                    number,
                    $"客户{number}",
                    HasNick(n) ? $"小{number}" : "",
                    IsReached(n, "sms") ? SyntheticAddress.Phone(n) : "",
                    IsReached(n, "app") ? SyntheticAddress.PushId(n) : "",
                    Agrees(n) ? "yes"
                        : n % 20 == 3 ? "no"
                        : ""
                )
                .Append('\n');
        }

        await to1.WriteAsync(Encoding.UTF8.GetBytes(text.ToString()), cancellationToken);
        wrote(Count);
    }
}
