using System.Text.Json.Nodes;

namespace Campaigns.Api.Hosting;

/// <summary>Requests that run as they stand against the demo's data, from the first operation to the last.</summary>
internal static class ApiExamples
{
    // A campaign that has been launched is read; another one is drafted.
    private static readonly Dictionary<string, string> Parameters = new(StringComparer.Ordinal)
    {
        ["campaignId"] = "new-citizens-payday",
        ["putCampaign.campaignId"] = "spring-savings",
        ["submitCampaign.campaignId"] = "spring-savings",
        ["rejectCampaign.campaignId"] = "spring-savings",
        ["approveCampaign.campaignId"] = "spring-savings",
        ["previewCampaign.campaignId"] = "spring-savings",
        ["launchCampaign.campaignId"] = "spring-savings",
        ["pauseCampaign.campaignId"] = "spring-savings",
        ["resumeCampaign.campaignId"] = "spring-savings",
        ["cancelCampaign.campaignId"] = "spring-savings",
        ["segmentId"] = "new-citizens",
        ["uploadSegmentMembers.segmentId"] = "branch-list",
        ["archiveSegment.segmentId"] = "branch-list",
        ["templateId"] = "payday-sms-plain",
        ["calendarId"] = "china",
        ["channel"] = "app",
        ["customerId"] = "C000000007",
        ["putField.name"] = "occupation",
        ["getField.name"] = "occupation",
        ["putCustomer.id"] = "C900000001",
        ["getCustomer.id"] = "C000000007",
        ["eraseCustomer.id"] = "C900000001",
        ["recordConsent.id"] = "C000000007",
        ["putTester.customerId"] = "C000000007",
        ["removeTester.customerId"] = "C000000007",
        ["getInbox.id"] = "C000000007",
        ["putMapping.id"] = "branch-file",
        ["getMapping.id"] = "branch-file",
        ["importCustomers.mapping"] = "branch-file",
    };

    /// <summary>A value for a parameter that has to be given; null where only another answer tells one.</summary>
    public static JsonNode? OfParameter(string operation, string name) =>
        Parameters.TryGetValue($"{operation}.{name}", out var own) ? JsonValue.Create(own)
        : Parameters.TryGetValue(name, out var general) ? JsonValue.Create(general)
        : null;

    /// <summary>A body for the operation; null where it has none.</summary>
    public static JsonNode? OfBody(string operation) =>
        Texts.TryGetValue(operation, out var text) ? JsonValue.Create(text)
        : Bodies.TryGetValue(operation, out var body) ? JsonNode.Parse(body)
        : null;

    private static readonly Dictionary<string, string> Texts = new(StringComparer.Ordinal)
    {
        ["importCustomers"] =
            "id,occupation,mobile,sms\n900000002,retail,13900000002,yes\n900000003,office,13900000003,no\n",
        ["uploadSegmentMembers"] = "C000000001\nC000000002\nC000000003\n",
    };

    private static readonly Dictionary<string, string> Bodies = new(StringComparer.Ordinal)
    {
        ["createKey"] = """{"name": "mobile banking", "role": "backend", "expiresAt": "2099-12-31T00:00:00+08:00"}""",
        ["putPolicy"] = """
            {
              "hours": {
                "quietHours": {"from": "20:00", "to": "08:00"},
                "channelHours": {"sms": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "19:00"}]}
              },
              "caps": {"perDay": 2, "perWeek": 6, "perChannelPerDay": {"sms": 1}, "minimumGap": "PT4H"}
            }
            """,
        ["putCalendar"] = """{"daysOff": ["2030-02-04", "2030-02-05"], "workingDays": ["2030-01-27"]}""",
        ["putGlobalHoldout"] = """{"share": 0.02}""",
        ["putField"] = """
            {
              "type": "enum",
              "options": ["factory", "delivery", "construction", "office", "retail", "self-employed"],
              "description": "Line of work"
            }
            """,
        ["putCustomer"] = """
            {
              "attributes": {"name": "李雷", "occupation": "office"},
              "tags": ["new-citizen", "payroll"],
              "addresses": {"phone": "13900000001"},
              "preferredChannels": ["sms"],
              "preferredSlots": ["evening"],
              "birthDate": "1996-05-12"
            }
            """,
        ["putCustomers"] = """
            {
              "customers": [
                {"id": "C900000001", "profile": {"attributes": {"name": "李雷"}, "addresses": {"phone": "13900000001"}}},
                {"id": "C900000004", "profile": {"attributes": {"name": "韩梅梅"}, "tags": ["payroll"]}}
              ]
            }
            """,
        ["recordConsent"] = """
            {
              "channel": "sms",
              "purpose": "marketing",
              "granted": true,
              "source": "branch",
              "textVersion": "2025-01",
              "operator": "E1024",
              "occurredAt": "2025-12-01T10:00:00+08:00"
            }
            """,
        ["recordConsents"] = """
            {
              "consents": [
                {
                  "customerId": "C000000007",
                  "channel": "all",
                  "purpose": "personalisation",
                  "granted": true,
                  "source": "app-settings",
                  "occurredAt": "2025-12-01T10:00:00+08:00"
                }
              ]
            }
            """,
        ["recordAuthorisations"] = """
            {
              "authorisations": [
                {
                  "source": "mini-program",
                  "id": "popup-1",
                  "customerId": "C000000007",
                  "template": "VRR0UEO9VJOLs0MHlU0OilqX6MVFDwH3_3gz3Oc0NIc",
                  "messages": 1,
                  "occurredAt": "2025-12-01T10:00:00+08:00"
                }
              ]
            }
            """,
        ["recordEvents"] = """
            {
              "events": [
                {
                  "source": "mobile-bank",
                  "id": "login-1",
                  "customerId": "C000000007",
                  "name": "login",
                  "occurredAt": "2025-12-01T10:00:00+08:00"
                },
                {
                  "source": "core-banking",
                  "id": "payment-1",
                  "customerId": "C000000007",
                  "name": "payment",
                  "occurredAt": "2025-12-02T10:00:00+08:00",
                  "amount": 88.50,
                  "currency": "CNY",
                  "attributes": {"merchant": "canteen"}
                }
              ]
            }
            """,
        ["recordEngagements"] = """
            {
              "engagements": [
                {
                  "source": "mobile-bank",
                  "id": "opened-1",
                  "campaignId": "new-citizens-payday",
                  "customerId": "C000000007",
                  "kind": "opened",
                  "occurredAt": "2025-12-03T10:00:00+08:00"
                },
                {
                  "source": "mobile-bank",
                  "id": "clicked-1",
                  "campaignId": "new-citizens-payday",
                  "customerId": "C000000007",
                  "kind": "clicked",
                  "occurredAt": "2025-12-03T10:01:00+08:00"
                }
              ]
            }
            """,
        // The id is what getInbox answers, so that this is not run as it stands.
        ["markInbox"] = """
            {
              "marks": [
                {"messageId": "1", "mark": "shown", "at": "2025-12-03T10:00:00+08:00"},
                {"messageId": "1", "mark": "clicked", "at": "2025-12-03T10:01:00+08:00"}
              ]
            }
            """,
        ["recordConversions"] = """
            {
              "conversions": [
                {
                  "source": "core-banking",
                  "id": "savings-example-1",
                  "customerId": "C000000007",
                  "name": "savings.opened",
                  "occurredAt": "2025-12-04T10:00:00+08:00",
                  "amount": 500,
                  "currency": "CNY"
                },
                {
                  "source": "core-banking",
                  "id": "savings-example-2",
                  "customerId": "C000000007",
                  "name": "savings.opened",
                  "occurredAt": "2025-12-05T10:00:00+08:00",
                  "reverses": "savings-example-1"
                }
              ]
            }
            """,
        ["putMapping"] = """
            {
              "id": {"column": "id", "prefix": "C"},
              "columns": [
                {"column": "occupation", "to": "attribute", "name": "occupation"},
                {"column": "mobile", "to": "phone", "optional": true},
                {"column": "sms", "to": "consent", "name": "sms"}
              ],
              "proof": {"source": "branch-file", "textVersion": "2025-01", "occurredAt": "2025-12-01T00:00:00+08:00"}
            }
            """,
        ["putSegment"] = """{"name": "新市民", "rule": {"tag": "new-citizen"}}""",
        ["putTemplate"] = """
            {
              "channel": "sms",
              "purpose": "marketing",
              "language": "zh-CN",
              "text": "{{name}}，薪享储蓄已为您准备好，登录手机银行即可开通。",
              "providerTemplate": "SMS_100001",
              "defaults": {"name": "尊敬的客户"}
            }
            """,
        ["sendTest"] = """{"testers": ["C000000007"]}""",
        ["putTester"] = """{"name": "王芳, retail marketing"}""",
        ["previewTemplate"] = """{"customerId": "C000000007"}""",
        ["putCampaign"] = """
            {
              "name": "春季储蓄",
              "audience": {"include": ["new-citizens-payday"], "exclude": ["staff"]},
              "goal": {"event": "savings.opened", "window": "P7D"},
              "variants": [{"name": "plain", "templates": {"sms": "payday-sms-plain"}}],
              "channels": ["sms"],
              "schedule": {
                "from": "2030-03-04",
                "to": "2030-03-06",
                "windows": [{"from": "09:00", "to": "11:30"}, {"from": "18:30", "to": "20:00"}]
              },
              "holdout": 0.1,
              "assessment": "PIA-2026-014"
            }
            """,
        ["resumeCampaign"] = """{"overdue": "send"}""",
        ["stopChannel"] = """{"reason": "供应商今晚检修"}""",
        ["submitCampaign"] = """{"expectedAudience": null}""",
        ["approveCampaign"] = """{"comment": "同意"}""",
        ["rejectCampaign"] = """{"comment": "请说明目标客群"}""",
    };
}
