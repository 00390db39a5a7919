namespace Campaigns.Customers;

/// <summary>Rows that fit in the parameters of a statement.</summary>
internal static class CustomerBatch
{
    // No tag has it, so that a row's tags fit in one text: arrays of unequal arrays do not exist in SQL.
    private const char TagSeparator = '\u001f';

    public static RowSource Source(IReadOnlyList<CustomerRow> rows)
    {
        // In the order of ids, which is that in which two batches wait for each other.
        var sorted = rows.OrderBy(row => row.Id, StringComparer.Ordinal).ToList();
        return new RowSource(
            """
            (
                SELECT b.ord, b.id, b.attributes::jsonb AS attributes,
                    string_to_array(b.tags, E'\x1f') AS tags, b.address_key, b.sms_cipher, b.sms_lookup,
                    b.wechat_cipher, b.wechat_lookup, b.app_cipher, b.app_lookup, b.birth_date, b.risk_rated_until,
                    b.risk_rating, b.zone, b.preferred_slots, b.preferred_channels, b.student
                FROM unnest(
                    @ord, @id, @attributes, @tags, @address_key, @sms_cipher, @sms_lookup, @wechat_cipher,
                    @wechat_lookup, @app_cipher, @app_lookup, @birth_date, @risk_rated_until, @risk_rating, @zone,
                    @preferred_slots, @preferred_channels, @student
                ) AS b (
                    ord, id, attributes, tags, address_key, sms_cipher, sms_lookup, wechat_cipher, wechat_lookup,
                    app_cipher, app_lookup, birth_date, risk_rated_until, risk_rating, zone, preferred_slots,
                    preferred_channels, student
                )
            )
            """,
            new
            {
                ord = Array(row => row.Ordinal),
                id = Array(row => row.Id),
                attributes = Array(row => row.Attributes),
                tags = Array(row => string.Join(TagSeparator, row.Tags)),
                address_key = Array(row => (row.Sms ?? row.WeChat ?? row.App)?.KeyId ?? 0),
                sms_cipher = Array(row => row.Sms?.Ciphertext),
                sms_lookup = Array(row => row.Sms?.Lookup),
                wechat_cipher = Array(row => row.WeChat?.Ciphertext),
                wechat_lookup = Array(row => row.WeChat?.Lookup),
                app_cipher = Array(row => row.App?.Ciphertext),
                app_lookup = Array(row => row.App?.Lookup),
                birth_date = Array(row => row.BirthDate),
                risk_rated_until = Array(row => row.RiskRatedUntil),
                risk_rating = Array(row => row.RiskRating),
                zone = Array(row => row.Zone),
                preferred_slots = Array(row => row.PreferredSlots),
                preferred_channels = Array(row => row.PreferredChannels),
                student = Array(row => row.Student),
            }
        );

        T[] Array<T>(Func<CustomerRow, T> column) => [.. sorted.Select(column)];
    }
}
