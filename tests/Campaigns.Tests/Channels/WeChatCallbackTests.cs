using System.Text;
using Campaigns.Channels;
using Campaigns.Channels.WeChat;
using Campaigns.Results;

namespace Campaigns.Tests.Channels;

public sealed class WeChatCallbackTests
{
    /// <summary>The vendor's own sample.</summary>
    [Theory]
    [InlineData("mytoken", "15fe1b57a84e33894c4d5a8b084d06a200e96766", true)]
    [InlineData("mytoken", "15FE1B57A84E33894C4D5A8B084D06A200E96766", false)]
    [InlineData("mytoken", "", false)]
    [InlineData("other", "15fe1b57a84e33894c4d5a8b084d06a200e96766", false)]
    [InlineData("", "15fe1b57a84e33894c4d5a8b084d06a200e96766", false)]
    public void The_signature_proves_the_sender(string token, string signature, bool valid)
    {
        Assert.Equal(valid, WeChatCallbacks.Verify(token, "1714112445", "415670741", signature));
    }

    [Fact]
    public void A_mass_send_ends_with_counts()
    {
        var happened = Parse(
            """
            <Event><![CDATA[MASSSENDJOBFINISH]]></Event><MsgID>1000001625</MsgID>
            <Status><![CDATA[err(30003)]]></Status><TotalCount>10</TotalCount><FilterCount>8</FilterCount>
            <SentCount>6</SentCount><ErrorCount>2</ErrorCount>
            """
        ).Value;

        Assert.Empty(happened.Receipts);
        Assert.Equal("gh_1", happened.Account);
        Assert.Equal(
            new MassSendFinished(
                "MASSSENDJOBFINISH/1000001625",
                "1000001625",
                "err_30003",
                10,
                8,
                6,
                2,
                new DateTimeOffset(2013, 11, 28, 8, 21, 0, TimeSpan.Zero)
            ),
            happened.MassSend
        );
    }

    [Theory]
    [InlineData("success", ReceiptState.Delivered, null)]
    [InlineData("failed:user block", ReceiptState.Failed, "failed:user_block")]
    [InlineData("failed: system failed", ReceiptState.Failed, "failed:_system_failed")]
    public void A_template_message_arrives_or_does_not(string status, ReceiptState state, string? code)
    {
        var receipt = Assert.Single(
            Parse(
                $"<Event>TEMPLATESENDJOBFINISH</Event><MsgID>200163836</MsgID><Status><![CDATA[{status}]]></Status>"
            ).Value.Receipts
        );

        Assert.Equal(
            (state, code, "200163836", "oOpenid"),
            (receipt.State, receipt.Code, receipt.ProviderId, receipt.Address)
        );
        Assert.DoesNotContain("oOpenid", $"{receipt}{receipt.EventId}", StringComparison.Ordinal);
    }

    [Fact]
    public void A_subscribe_event_may_hold_several_messages()
    {
        var receipts = Parse(
            """
            <Event>subscribe_msg_sent_event</Event><SubscribeMsgSentEvent>
            <List><TemplateId>t</TemplateId><MsgID>1</MsgID><ErrorCode>0</ErrorCode><ErrorStatus>success</ErrorStatus></List>
            <List><TemplateId>t</TemplateId><MsgID>2</MsgID><ErrorCode>43101</ErrorCode><ErrorStatus>no</ErrorStatus></List>
            </SubscribeMsgSentEvent>
            """
        ).Value.Receipts;

        Assert.Equal(
            [("1", ReceiptState.Delivered, null), ("2", ReceiptState.Failed, "43101")],
            receipts.Select(receipt => (receipt.ProviderId!, receipt.State, receipt.Code))
        );
    }

    [Theory]
    [InlineData("popup", "accept", 1)]
    [InlineData("popup", "reject", null)]
    [InlineData("change", "reject", 0)]
    [InlineData("change", "accept", null)]
    public void A_user_authorises_a_message_when_asked_and_takes_back_all_in_the_settings(
        string what,
        string status,
        int? messages
    )
    {
        var name = what == "popup" ? "SubscribeMsgPopupEvent" : "SubscribeMsgChangeEvent";
        var said = Parse(
            $"""
            <Event>subscribe_msg_{what}_event</Event><{name}>
            <List><TemplateId>t1</TemplateId><SubscribeStatusString>{status}</SubscribeStatusString></List>
            <List><TemplateId>t2</TemplateId><SubscribeStatusString>ban</SubscribeStatusString></List>
            </{name}>
            """
        ).Value.Authorisations;

        var at = new DateTimeOffset(2013, 11, 28, 8, 21, 0, TimeSpan.Zero);
        ProviderAuthorisation[] expected = messages is { } count
            ? [new($"{what}/1385626860/t1", "oOpenid", "t1", count, at)]
            : [];
        Assert.Equal(expected, said);
        Assert.All(said, one => Assert.DoesNotContain("oOpenid", $"{one}", StringComparison.Ordinal));
    }

    [Fact]
    public void An_event_of_no_concern_says_nothing()
    {
        var happened = Parse("<Event>unsubscribe</Event>").Value;

        Assert.Empty(happened.Receipts);
        Assert.Null(happened.MassSend);
    }

    [Theory]
    [InlineData("")]
    [InlineData("<xml><CreateTime>1</CreateTime>")]
    [InlineData("<html><CreateTime>1</CreateTime></html>")]
    [InlineData("<xml></xml>")]
    [InlineData("<xml><CreateTime>99999999999999999999</CreateTime></xml>")]
    [InlineData("<xml><CreateTime>253402300800</CreateTime></xml>")]
    [InlineData("<xml><Encrypt>abc</Encrypt><CreateTime>1</CreateTime></xml>")]
    [InlineData("<xml><CreateTime>1</CreateTime><Event>MASSSENDJOBFINISH</Event><MsgID>1</MsgID></xml>")]
    [InlineData("<xml><CreateTime>1</CreateTime><Event>TEMPLATESENDJOBFINISH</Event></xml>")]
    [InlineData("<xml><CreateTime>1</CreateTime><Event>subscribe_msg_sent_event</Event></xml>")]
    [InlineData(
        "<xml><CreateTime>1</CreateTime><Event>subscribe_msg_popup_event</Event><SubscribeMsgPopupEvent><List>"
            + "<TemplateId>t</TemplateId></List></SubscribeMsgPopupEvent></xml>"
    )]
    [InlineData("{\"xml\":1}")]
    [InlineData(
        "<!DOCTYPE xml [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><xml><CreateTime>1</CreateTime><Event>&e;</Event></xml>"
    )]
    [InlineData(
        "<!DOCTYPE xml [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><xml><CreateTime>1</CreateTime><Event>&b;</Event></xml>"
    )]
    [InlineData("<?xml version=\"1.0\" encoding=\"no-such\"?><xml><CreateTime>1</CreateTime></xml>")]
    public void What_is_no_event_is_refused(string body)
    {
        var error = WeChatCallbacks.Parse(Encoding.UTF8.GetBytes(body)).Error;

        Assert.Equal((ErrorKind.Malformed, "malformed-callback"), (error?.Kind, error?.Type));
    }

    [Fact]
    public void Another_encoding_is_refused()
    {
        var body = Encoding.Latin1.GetBytes("<xml><CreateTime>1</CreateTime><Event>é</Event></xml>");

        Assert.Equal(ErrorKind.Malformed, WeChatCallbacks.Parse(body).Error?.Kind);
    }

    [Fact]
    public void More_than_64_kilobytes_is_refused_unread()
    {
        Assert.Equal(ErrorKind.TooLarge, WeChatCallbacks.Parse(new byte[WeChatCallbacks.MaxBytes + 1]).Error?.Kind);
    }

    private static Result<WeChatEvent> Parse(string inner) =>
        WeChatCallbacks.Parse(
            Encoding.UTF8.GetBytes(
                $"""
                <xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[oOpenid]]></FromUserName>
                <CreateTime>1385626860</CreateTime><MsgType><![CDATA[event]]></MsgType>{inner}</xml>
                """
            )
        );
}
