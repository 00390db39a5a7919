using System.Text;
using Campaigns.Channels;
using Campaigns.Channels.Aliyun;
using Campaigns.Results;

namespace Campaigns.Tests.Channels;

public sealed class AliyunCallbackTests
{
    private const string Secret = "path-secret";

    private const string Delivered = """
        {"phone_number":"13812345678","send_time":"2026-09-01 08:00:01","report_time":"2026-09-01 08:00:05",
         "success":true,"err_code":"DELIVERED","err_msg":"用户接收成功","sms_size":"1","biz_id":"9006197469364984^0",
         "out_id":"1-2-3"}
        """;

    [Fact]
    public void A_report_tells_who_got_what_and_when()
    {
        var receipt = Assert.Single(Reports($"[{Delivered}]").Value.Items);

        Assert.Equal(
            ("aliyun-sms", "1-2-3", "9006197469364984^0", "+8613812345678"),
            (receipt.Provider, receipt.RequestKey, receipt.ProviderId, receipt.Address)
        );
        Assert.Equal((ReceiptState.Delivered, null), (receipt.State, receipt.Code));
        Assert.Equal(new DateTimeOffset(2026, 9, 1, 0, 0, 5, TimeSpan.Zero), receipt.At);
        Assert.DoesNotContain("13812345678", $"{receipt}{receipt.EventId}", StringComparison.Ordinal);
    }

    [Fact]
    public void A_failed_message_has_its_code()
    {
        var failed = Delivered
            .Replace("true", "false", StringComparison.Ordinal)
            .Replace("DELIVERED", "MK:0012", StringComparison.Ordinal);
        var receipt = Assert.Single(Reports($"[{failed}]").Value.Items);

        Assert.Equal((ReceiptState.Failed, "MK:0012"), (receipt.State, receipt.Code));
    }

    [Fact]
    public void A_repetition_has_the_same_id_and_anything_else_another()
    {
        string[] others =
        [
            Delivered,
            Delivered.Replace("13812345678", "13812345679", StringComparison.Ordinal),
            Delivered.Replace("^0", "^1", StringComparison.Ordinal),
            Delivered.Replace("true", "false", StringComparison.Ordinal),
        ];
        var ids = Reports($"[{string.Join(',', others)},{Delivered}]")
            .Value.Items.Select(item => item.EventId)
            .ToList();

        Assert.Equal(4, ids.Distinct().Count());
        Assert.Equal(ids[0], ids[4]);
    }

    [Fact]
    public void What_can_be_read_is_taken_though_its_neighbours_cannot()
    {
        string[] wrong =
        [
            "null",
            "[]",
            "{}",
            Delivered.Replace("13812345678", "abc", StringComparison.Ordinal),
            Delivered.Replace("true", "\"true\"", StringComparison.Ordinal),
            Delivered.Replace("2026-09-01", "2026-02-30", StringComparison.Ordinal),
            Delivered.Replace("2026-09-01 08", "0001-01-01 00", StringComparison.Ordinal), // before all time, in UTC
            Delivered.Replace("13812345678", "\\ud800", StringComparison.Ordinal),
        ];
        var batch = Reports($"[{string.Join(',', wrong)},{Delivered}]").Value;

        Assert.Equal((1, wrong.Length), (batch.Items.Count, batch.Unreadable));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[")]
    [InlineData("[{\"phone_number\":\"13812345678\"")]
    [InlineData("{}")]
    [InlineData("[] []")]
    [InlineData("<xml/>")]
    [InlineData("[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]")]
    public void What_is_no_report_is_refused(string body)
    {
        Assert.Equal((ErrorKind.Malformed, "malformed-callback"), Kind(Reports(body).Error));
    }

    [Fact]
    public void Another_encoding_is_refused()
    {
        var body = Encoding.Latin1.GetBytes($"[{Delivered.Replace("用户接收成功", "é", StringComparison.Ordinal)}]");

        Assert.Equal(
            (ErrorKind.Malformed, "malformed-callback"),
            Kind(AliyunCallbacks.ParseReports(body, Secret).Error)
        );
    }

    [Fact]
    public void More_than_two_megabytes_is_refused_unread()
    {
        var body = new byte[CallbackJson.MaxBytes + 1];

        Assert.Equal((ErrorKind.TooLarge, "too-large"), Kind(AliyunCallbacks.ParseReports(body, Secret).Error));
    }

    [Theory]
    [InlineData("\"退订\"", "1234567", true)]
    [InlineData("\"td\"", "\"1234567\"", true)]
    [InlineData("\"请问利率多少?\\u0000\"", "7", false)]
    public void A_reply_tells_who_said_what(string content, string sequence, bool refusal)
    {
        var body = $$"""
            [{"phone_number":"13812345678","content":{{content}},"send_time":"2026-09-01 08:00:01","dest_code":"1069",
              "sequence_id":{{sequence}}}]
            """;
        var batch = AliyunCallbacks.ParseReplies(Encoding.UTF8.GetBytes(body), Secret).Value;
        var reply = Assert.Single(batch.Items);

        Assert.Equal(("+8613812345678", refusal), (reply.Address, reply.Refusal));
        Assert.DoesNotContain('\0', reply.Content);
        Assert.DoesNotContain("13812345678", $"{reply}{reply.EventId}", StringComparison.Ordinal);
    }

    [Fact]
    public void A_report_whose_own_time_cannot_be_is_of_when_its_message_was_sent()
    {
        var receipt = Assert.Single(
            Reports(
                $"[{Delivered.Replace("2026-09-01 08:00:05", "0001-01-01 00:00:00", StringComparison.Ordinal)}]"
            ).Value.Items
        );

        Assert.Equal(new DateTimeOffset(2026, 9, 1, 0, 0, 1, TimeSpan.Zero), receipt.At);
    }

    [Fact]
    public void A_reply_whose_time_cannot_be_is_left_out()
    {
        const string body = """
            [{"phone_number":"13812345678","content":"在吗","send_time":"0001-01-01 00:00:00","sequence_id":1},
             {"phone_number":"13812345678","content":"R","send_time":"2026-09-01 08:00:01","sequence_id":2}]
            """;
        var batch = AliyunCallbacks.ParseReplies(Encoding.UTF8.GetBytes(body), Secret).Value;

        Assert.Equal(("R", 1), (Assert.Single(batch.Items).Content, batch.Unreadable));
    }

    [Fact]
    public void A_very_long_reply_is_cut_between_characters()
    {
        var body = $$"""
            [{"phone_number":"13812345678","content":"{{string.Concat(Enumerable.Repeat("😀", 3_000))}}",
              "send_time":"2026-09-01 08:00:01","sequence_id":1}]
            """;
        var reply = Assert.Single(AliyunCallbacks.ParseReplies(Encoding.UTF8.GetBytes(body), Secret).Value.Items);

        Assert.Equal(string.Concat(Enumerable.Repeat("😀", 2_000)), reply.Content);
    }

    [Theory]
    [InlineData("R", true)]
    [InlineData(" t ", true)]
    [InlineData("TD", true)]
    [InlineData("Ｔｄ", true)]
    [InlineData("　退订。", true)]
    [InlineData("td\r\n", true)]
    [InlineData("", false)]
    [InlineData("RT", false)]
    [InlineData("不退订", false)]
    [InlineData("退 订", false)]
    [InlineData("\ud800", false)]
    public void Only_the_words_of_refusal_refuse(string reply, bool refusal)
    {
        Assert.Equal(refusal, RefusalWords.IsRefusal(reply));
    }

    [Theory]
    [InlineData("13812345678", "138****5678")]
    [InlineData("+8613812345678", "138****5678")]
    [InlineData("+85291234567", "+85****4567")]
    [InlineData("12345678", "****")]
    [InlineData("", "****")]
    public void R17_a_number_is_shown_without_its_middle(string phone, string masked)
    {
        Assert.Equal(masked, Masking.Phone(phone));
    }

    [Theory]
    [InlineData("请打13812345678。", "请打138****5678。")]
    [InlineData("138-1234-5678 or +8613812345678", "138****5678 or 138****5678")]
    [InlineData("１３８１２３４５６７８", "１３８****５６７８")]
    [InlineData("+85291234567", "+85****4567")]
    [InlineData("2026-09-01 08:00, 95588, 500000元", "2026-09-01 08:00, 95588, 500000元")]
    public void R17_numbers_in_a_text_are_shown_without_their_middle(string text, string masked)
    {
        Assert.Equal(masked, Masking.PhonesIn(text));
    }

    private static Result<CallbackBatch<ProviderReceipt>> Reports(string body) =>
        AliyunCallbacks.ParseReports(Encoding.UTF8.GetBytes(body), Secret);

    private static (ErrorKind?, string?) Kind(Error? error) => (error?.Kind, error?.Type);
}
