using System.Text;
using Campaigns.Channels.BankSms;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Channels;

public sealed class WebhookSignatureTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_788_226_205);
    private static readonly byte[] Body = "{}"u8.ToArray();
    private static readonly string Right = WebhookSignature.Of("secret", "id-1", "1788226205", Body);

    [Fact]
    public async Task The_example_of_the_page_is_right()
    {
        var page = await File.ReadAllLinesAsync(
            Path.Combine(Repository.Root, "src", "Campaigns", "Channels", "BankSms", "README.md")
        );
        string Of(string name) =>
            page.Single(line => line.StartsWith($"{name} ", StringComparison.Ordinal))[name.Length..].Trim();

        var body = Encoding.UTF8.GetBytes(Of("body"));
        Assert.Equal(Of("signature"), WebhookSignature.Of(Of("secret"), Of("id"), Of("timestamp"), body));
        Assert.Single(BankSmsCallbacks.ParseReceipts(body, "secret").Value.Items);
    }

    [Fact]
    public void The_example_of_Standard_Webhooks_is_right()
    {
        var signature = WebhookSignature.Of(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            """{"test": 2432232314}"""u8
        );

        Assert.Equal("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", signature);
    }

    [Theory]
    [InlineData("secret", "id-1", 0, true)]
    [InlineData("secret", "id-1", 300, true)]
    [InlineData("secret", "id-1", -300, true)]
    [InlineData("secret", "id-1", 301, false)]
    [InlineData("secret", "id-1", -301, false)]
    [InlineData("another", "id-1", 0, false)]
    [InlineData("secret", "id-2", 0, false)]
    [InlineData("", "id-1", 0, false)]
    public void A_signature_is_right_for_its_secret_id_and_time(string secret, string id, int later, bool right) =>
        Assert.Equal(right, WebhookSignature.Verify(secret, id, "1788226205", Right, Body, Now.AddSeconds(later)));

    [Theory]
    [InlineData("id-1", "1788226206", true)]
    [InlineData("id-1", "+1788226205", true)]
    [InlineData("id-1", "99999999999999999999", true)]
    [InlineData("id-1", "9223372036854775807", true)]
    [InlineData("id-1", null, true)]
    [InlineData(null, "1788226205", true)]
    [InlineData("id.1", "1788226205", true)]
    [InlineData("id-1", "1788226205", false)]
    public void What_was_not_signed_is_refused(string? id, string? timestamp, bool signed) =>
        Assert.False(WebhookSignature.Verify("secret", id, timestamp, signed ? Right : null, Body, Now));

    [Fact]
    public void While_a_secret_is_changed_one_of_two_signatures_is_enough_and_the_body_counts_byte_for_byte()
    {
        var both = $"{WebhookSignature.Of("next", "id-1", "1788226205", Body)} {Right}";

        Assert.True(WebhookSignature.Verify("secret", "id-1", "1788226205", both, Body, Now));
        Assert.False(WebhookSignature.Verify("secret", "id-1", "1788226205", both, "{ }"u8, Now));
    }
}
