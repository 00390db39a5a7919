using System.Text;
using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Customers.Import;
using Campaigns.Operations;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Customers;

public sealed class ImportTests
{
    [Fact]
    public async Task Good_rows_come_in_and_wrong_ones_are_told_with_line_column_and_reason()
    {
        await using var api = await ReadyAsync();
        var result = await api.ImportAsync(
            """
            id,balance
            a,1
            b,
            c,many
            a,4
            d,"5
            e,"6"x
            f,7,8

            g,"9"
            ,10
            h,"1
            1"
            """
        );

        Assert.Equal((2, 2, 0), (result.Imported, result.Created, result.Updated));
        Assert.Equal(10, result.Rows);
        Assert.Equal(
            [
                new ImportError(3, "is missing", "balance"),
                new ImportError(4, "is not a number", "balance"),
                new ImportError(5, "repeats the id of line 2", "id"),
                new ImportError(6, "has a quote that is not closed, or stands inside a value", "balance"),
                new ImportError(7, "has a quote that is not closed, or stands inside a value", "balance"),
                new ImportError(8, "has 3 values where the header has 2"),
                new ImportError(11, "is missing", "id"),
                new ImportError(12, "is not a number", "balance"),
            ],
            result.Errors
        );
        Assert.Equal(
            "a 1, g 9",
            await api.ScalarAsync<string>(
                "SELECT string_agg(concat_ws(' ', customer_id, attributes ->> 'balance'), ', ') FROM customer"
            )
        );
    }

    [Fact]
    public async Task A_quote_that_is_never_closed_costs_its_own_line()
    {
        await using var api = await ReadyAsync();
        var file = new StringBuilder("id,balance\n");
        for (var n = 0; n < 5000; n++)
        {
            file.Append(n == 100 ? "\"oops,1\n" : $"c-{n},{n}\n");
        }

        var result = await api.ImportAsync(file.ToString());

        Assert.Equal(4999, result.Imported);
        Assert.Equal(102, Assert.Single(result.Errors).Line);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_field_of_eight_megabytes_is_one_wrong_row(bool quoted)
    {
        await using var api = await ReadyAsync();
        var quote = quoted ? "\"" : "";
        var file = $"id,balance\na,1\nb,{quote}{new string('x', 8 << 20)}{quote}\nc,3\n";

        var result = await api.ImportAsync(file);

        Assert.Equal(2, result.Imported);
        Assert.Equal(new ImportError(3, "is longer than 65536 characters", "balance"), Assert.Single(result.Errors));
    }

    [Fact]
    public async Task A_file_that_is_sent_again_changes_nothing()
    {
        await using var api = await ReadyAsync();
        const string file = "id,balance\na,1\nb,2\n";
        await api.ImportAsync(file);
        var before = await StateAsync(api);

        var again = await api.ImportAsync(file);

        Assert.True(again.AlreadyImported);
        Assert.Equal((0, 2), (again.Imported, again.Unchanged));
        Assert.Equal(before, await StateAsync(api));

        var larger = await api.ImportAsync("id,balance\na,1\nb,2\nc,3\n");
        Assert.Equal((1, 2), (larger.Imported, larger.Unchanged));
        Assert.Equal(before, await StateAsync(api, "WHERE customer_id <> 'c'"));
        Assert.Equal(0, await api.ScalarAsync<int>(StagingTables));

        static Task<string> StateAsync(ApiHost api, string which = "") =>
            api.ScalarAsync<string>(
                $"""
                SELECT string_agg(concat_ws(' ', c.ctid, c.xmin, k.ctid, k.xmin), ',' ORDER BY customer_key)
                FROM customer AS c JOIN contact AS k USING (customer_key) {which}
                """
            );
    }

    [Fact]
    public async Task A_file_changes_what_it_says_and_nothing_else()
    {
        await using var api = await ReadyAsync();
        await api.DeclareAsync("age");
        await api.MapAsync(
            new ImportMapping
            {
                Id = new ImportId { Column = "id", Prefix = "c-" },
                Columns =
                [
                    ImportSteps.Attribute("balance", optional: true),
                    new ImportColumn
                    {
                        Column = "loan",
                        To = ImportTarget.Tag,
                        Name = "borrower",
                    },
                ],
            }
        );
        var register = new CustomerRegister(api.Database.DataSource, TestBank.Vault);
        await register.PutManyAsync(
            TestBank.Backend,
            [
                new(
                    "c-1",
                    Given.Profile("13812345678").With("age", 30).With("balance", 1) with
                    {
                        Tags = ["borrower", "vip"],
                    }
                ),
                new("c-2", Given.Profile().With("balance", 2)),
            ],
            default
        );

        var result = await api.ImportAsync("id;balance;loan\n1;;no\n2;2;yes\n3;7;no\n");

        Assert.Equal((1, 2, 0), (result.Created, result.Updated, result.Unchanged));
        Assert.Equal(
            """c-1 {"age": 30} {vip} 1, c-2 {"balance": 2} {borrower} 0, c-3 {"balance": 7} {} 0""",
            await api.ScalarAsync<string>(
                """
                SELECT string_agg(concat_ws(' ', customer_id, attributes, tags, reachable), ', ' ORDER BY customer_id)
                FROM customer JOIN contact USING (customer_key)
                """
            )
        );
    }

    [Fact]
    public async Task Everything_a_customer_has_can_come_by_file()
    {
        await using var api = await ReadyAsync();
        await api.MapAsync(
            new ImportMapping
            {
                Id = new ImportId { Column = "id" },
                Columns =
                [
                    Column("phone", ImportTarget.Phone),
                    Column("openid", ImportTarget.OpenId),
                    Column("push", ImportTarget.PushId),
                    Column("born", ImportTarget.BirthDate),
                    Column("zone", ImportTarget.Zone),
                    Column("channels", ImportTarget.PreferredChannels),
                    Column("slots", ImportTarget.PreferredSlots),
                    Column("risk", ImportTarget.RiskRating),
                    Column("until", ImportTarget.RiskRatedUntil),
                    Column("student", ImportTarget.Student),
                    Column("sms_ok", ImportTarget.Consent) with
                    {
                        Name = "sms",
                    },
                    new ImportColumn
                    {
                        Value = "yes",
                        To = ImportTarget.Consent,
                        Name = "wechat",
                    },
                    new ImportColumn
                    {
                        Value = "no",
                        To = ImportTarget.Consent,
                        Name = "personalisation",
                    },
                ],
                Proof = new ImportProof
                {
                    Source = "core-bank",
                    TextVersion = "v3",
                    OccurredAtColumn = "said",
                },
            }
        );
        const string header = "id,phone,openid,push,born,zone,channels,slots,risk,until,student,sms_ok,said\n";
        const string rows =
            "a,13812345678,open-id-a,push-id-a,1990-05-17,America/New_York,wechat|app,evening,3,2027-01-01,yes,no,2026-01-05\n"
            + "b,138-1234-5678,,,,,,,,,,yes,2026-01-05T09:00:00+08:00\n"
            + "c,12345,,,,,,,,,,yes,2026-01-05\n"
            + "d,,,,,Mars/X,,,,,,yes,2026-01-05\n"
            + "e,,,,,,,,,,,yes,2099-01-05\n";

        var result = await api.ImportAsync(header + rows);

        Assert.Equal(2, result.Created);
        Assert.Equal([(4L, "phone"), (5L, "zone"), (6L, "said")], result.Errors.Select(e => (e.Line, e.Column!)));
        var a = (await new CustomerRegister(api.Database.DataSource, ApiVault).GetAsync("a", default)).Value;
        Assert.Equal(["138****5678", "****", "****"], a.Channels.Select(reach => reach.Address));
        Assert.Equal(
            [ConsentState.Refused, ConsentState.Granted, ConsentState.None],
            a.Channels.Select(reach => reach.Marketing)
        );
        Assert.Equal("America/New_York", a.Zone);
        Assert.Equal([Channel.WeChat, Channel.App], a.PreferredChannels);
        Assert.Equal([PreferredSlot.Evening], a.PreferredSlots);
        Assert.Equal((new DateOnly(1990, 5, 17), (short)3, true), (a.BirthDate, a.RiskRating, a.Student));
        Assert.True(a.PersonalisationOff);
        Assert.Equal(
            "b:1 false,a:0 true",
            await api.ScalarAsync<string>(
                """
                SELECT string_agg(customer_id || ':' || shared || ' ' || student, ',' ORDER BY customer_id DESC)
                FROM customer JOIN contact USING (customer_key)
                """
            )
        );
        Assert.Equal(6, await api.ScalarAsync<int>("SELECT count(*)::int FROM consent WHERE text_version = 'v3'"));

        var again = await api.ImportAsync(header + rows + "f,,,,,,,,,,,yes,2026-01-05\n");
        Assert.Equal((1, 2), (again.Created, again.Unchanged));
        Assert.Equal(9, await api.ScalarAsync<int>("SELECT count(*)::int FROM consent"));
    }

    [Fact]
    public async Task A_byte_order_mark_and_gb18030_are_fine()
    {
        await using var api = await ReadyAsync();
        await api.DeclareAsync("city", FieldType.Text);
        await api.MapAsync(
            new ImportMapping
            {
                Id = new ImportId { Column = "客户号" },
                Columns = [ImportSteps.Attribute("城市", "city")],
            }
        );
        Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);
        byte[] marked = [0xef, 0xbb, 0xbf, .. Encoding.UTF8.GetBytes("客户号,城市\na,上海\n")];
        var chinese = Encoding.GetEncoding("gb18030").GetBytes("客户号\t城市\r\nb,\t深圳㐀\r\n");

        Assert.Equal(1, (await api.ImportAsync(marked, "text/csv; charset=utf-8")).Created);
        Assert.Equal(1, (await api.ImportAsync(chinese, "text/csv; charset=gb18030")).Created);
        Assert.Equal(
            "a 上海,b, 深圳㐀",
            await api.ScalarAsync<string>(
                "SELECT string_agg(concat_ws(' ', customer_id, attributes ->> 'city'), ',') FROM customer"
            )
        );
    }

    [Fact]
    public async Task A_file_that_is_wrong_as_a_whole_leaves_nothing()
    {
        await using var api = await ReadyAsync();
        Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);
        var late = $"id,balance\n{string.Concat(Enumerable.Range(0, 30_000).Select(n => $"c-{n},{n}\n"))}上海,1\n";

        var hint = await api.SendFileAsync(Encoding.GetEncoding("gb18030").GetBytes(late))
            .RefusedAsync(400, "unknown-encoding");
        Assert.Contains("charset=gb18030", hint.Detail, StringComparison.Ordinal);
        await api.SendFileAsync([0xff, 0xfe, 0x69, 0]).RefusedAsync(400, "unknown-encoding");
        await api.SendFileAsync("id\n"u8.ToArray(), "text/csv; charset=latin1").RefusedAsync(400, "unknown-encoding");
        await api.SendFileAsync([]).RefusedAsync(422, "empty-file");
        await api.SendFileAsync("id,balance\n"u8.ToArray()).RefusedAsync(422, "empty-file");
        var missing = await api.SendFileAsync("id,bal\na,1\n"u8.ToArray()).RefusedAsync(422, "missing-column");
        Assert.Equal("columns[0].column", Assert.Single(missing.Errors).Path);
        await api.SendFileAsync("id,balance\n"u8.ToArray(), query: "mapping=none").RefusedAsync(404, "not-found");
        await api.SendFileAsync("id,balance\n"u8.ToArray(), query: "mapping=bank&delimiter=x")
            .RefusedAsync(400, "validation-failed");
        await api.SendFileAsync("id,balance\n"u8.ToArray(), "text/plain").RefusedAsync(415, "unsupported-media-type");

        Assert.Equal(0, await api.ScalarAsync<int>("SELECT count(*)::int FROM customer"));
        Assert.Equal(0, await api.ScalarAsync<int>("SELECT count(*)::int FROM operation"));
        Assert.Equal(0, await api.ScalarAsync<int>(StagingTables));
    }

    [Fact]
    public async Task A_caller_who_hangs_up_leaves_nothing()
    {
        await using var api = await ReadyAsync();
        using var hangUp = new CancellationTokenSource();
        var sent = new TaskCompletionSource();
        var content = new EndlessFile(sent);
        content.Headers.ContentType = new("text/csv");
        var asked = api.As(Access.Role.Backend)
            .PostAsync(new Uri("/v1/imports/customers?mapping=bank", UriKind.Relative), content, hangUp.Token);
        await sent.Task;
        await hangUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);

        await Eventually.BeTrueAsync(
            async () =>
                await api.ScalarAsync<int>(
                    "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'"
                        + " AND state <> 'idle'"
                ) == 0,
            "the transaction is over"
        );
        Assert.Equal(0, await api.ScalarAsync<int>(StagingTables));
    }

    [Fact]
    public async Task Nothing_is_imported_for_an_erased_customer()
    {
        await using var api = await ReadyAsync();
        var register = new CustomerRegister(api.Database.DataSource, ApiVault);
        await register.PutAsync(TestBank.Backend, "a", Given.Profile(), default);
        await register.EraseAsync(TestBank.Backend, "a", default);

        var result = await api.ImportAsync("id,balance\na,1\nb,2\n");

        Assert.Equal(1, result.Imported);
        Assert.Equal(new ImportError(2, "names a customer who was erased"), Assert.Single(result.Errors));
    }

    [Fact]
    public async Task A_field_that_changes_on_the_way_stops_the_import()
    {
        await using var api = await ReadyAsync();
        await using var connection = await api.Database.DataSource.OpenConnectionAsync();
        await using (var held = await connection.BeginTransactionAsync())
        {
            // The merge waits here until the field has changed.
            await Dapper.SqlMapper.ExecuteAsync(connection, "LOCK TABLE field IN EXCLUSIVE MODE");
            var sending = api.SendFileAsync("id,balance\na,1\n"u8.ToArray()).ReadAsync<Operation>();
            var operation = await sending;
            await Dapper.SqlMapper.ExecuteAsync(connection, "UPDATE field SET type = 'text' WHERE name = 'balance'");
            await held.CommitAsync();

            var failed = await api.FinishedAsync(operation);
            Assert.Equal("catalogue-changed", failed.Failure?.Type);
        }

        Assert.Equal(0, await api.ScalarAsync<int>("SELECT count(*)::int FROM customer"));
        Assert.Equal(0, await api.ScalarAsync<int>(StagingTables));
    }

    private const string StagingTables = "SELECT count(*)::int FROM pg_class WHERE relname LIKE 'import_rows_%'";

    private static AddressVault ApiVault { get; } =
        new(new Dictionary<short, byte[]> { [1] = new byte[32] }, new byte[32]);

    private static ImportColumn Column(string column, ImportTarget to) =>
        new()
        {
            Column = column,
            To = to,
            Optional = true,
        };

    private static async Task<ApiHost> ReadyAsync()
    {
        var api = await ApiHost.StartAsync();
        await api.DeclareAsync("balance");
        await api.MapAsync(ImportSteps.IdAndBalance);
        return api;
    }

    private sealed class EndlessFile(TaskCompletionSource sent) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context)
        {
            await stream.WriteAsync("id,balance\n"u8.ToArray());
            for (var n = 0; ; n++)
            {
                await stream.WriteAsync(Encoding.UTF8.GetBytes($"c-{n},{n}\n"));
                if (n == 20_000)
                {
                    sent.SetResult();
                }
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    [Fact]
    public async Task R17_what_is_wrong_in_a_file_is_said_without_the_number()
    {
        await using var api = await ApiHost.StartAsync(role: "all");
        await api.DeclareAsync("balance");
        var phone = new ImportColumn { Column = "phone", To = ImportTarget.Phone };
        await api.MapAsync(ImportSteps.IdAndBalance with { Columns = [phone, ImportSteps.Attribute("balance")] });

        var result = await api.ImportAsync(
            "id,phone,balance\na,13812345678x,1\nb,13912345678,13812345678x\nc,1381234567800000000000000,2\n"
        );

        Assert.Equal([2L, 3L, 4L], result.Errors.Select(error => error.Line));
        Assert.DoesNotContain("12345678", JsonSerializer.Serialize(result), StringComparison.Ordinal);
    }
}
