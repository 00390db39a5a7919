using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dapper;
using Npgsql;

namespace Campaigns.Channels.WeChat;

/// <summary>The access token that all nodes share: fetched by one of them at a time, kept in <c>wechat_token</c>, renewed
/// five minutes early.</summary>
internal sealed class WeChatToken(
    GatewaySettings settings,
    ProviderHttp http,
    NpgsqlDataSource dataSource,
    TimeProvider time
)
{
    private static readonly TimeSpan Early = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan FetchAgainAfter = TimeSpan.FromSeconds(5);
    private const short DerivedKey = 1;

    private readonly Lock _lock = new();
    private Task<(string?, SendResult?)>? _fetch;
    private string? _fetchInsteadOf;

    // From the app's own secret: whoever has that can fetch a token anyway, so there is no further key to manage.
    private readonly byte[] _key = HKDF.DeriveKey(
        HashAlgorithmName.SHA256,
        Encoding.UTF8.GetBytes(settings.Secret),
        32,
        info: "wechat-token"u8.ToArray()
    );

    private volatile Known? _known;

    /// <summary>A token, or why there is none; then nothing was sent.</summary>
    /// <param name="refused">A token the provider has just refused, to get another; null at first.</param>
    internal async Task<(string? Token, SendResult? Refusal)> GetAsync(string? refused, CancellationToken deadline)
    {
        var known = _known;
        if (known is not null && known.Token != refused && time.GetTimestamp() < known.UseUntil)
        {
            return (known.Token, null);
        }

        try
        {
            return await OneFetch(refused).WaitAsync(deadline);
        }
        catch (OperationCanceledException)
        {
            return (null, new SendResult.Throttled(FetchAgainAfter));
        }
    }

    /// <summary>Callers of this node wait for one fetch, on one connection.</summary>
    private Task<(string?, SendResult?)> OneFetch(string? refused)
    {
        lock (_lock)
        {
            if (_fetch is null || _fetch.IsCompleted || _fetchInsteadOf != refused)
            {
                _fetchInsteadOf = refused;
                _fetch = BoundedAsync(refused);
            }

            return _fetch;
        }
    }

    private async Task<(string?, SendResult?)> BoundedAsync(string? refused)
    {
        using var deadline = new CancellationTokenSource(settings.Timeout);
        try
        {
            return await SharedAsync(refused, deadline.Token);
        }
        catch (Exception failure) when (failure is NpgsqlException or OperationCanceledException)
        {
            return (null, new SendResult.Throttled(FetchAgainAfter));
        }
    }

    private async Task<(string?, SendResult?)> SharedAsync(string? refused, CancellationToken deadline)
    {
        await using var connection = await dataSource.OpenConnectionAsync(deadline);
        await using var transaction = await connection.BeginTransactionAsync(deadline);
        await connection.ExecuteAsync(
            new CommandDefinition(
                "SELECT pg_advisory_xact_lock(hashtextextended('wechat_token ' || @app, 0))",
                new { app = settings.KeyId },
                transaction,
                cancellationToken: deadline
            )
        );
        if (await StoredAsync(connection, deadline) is { } stored && stored.Token != refused)
        {
            return (Remember(stored.Token, stored.Left), null);
        }

        var (token, left, refusal) = await FetchAsync(force: false, deadline);
        if (token is not null && token == refused)
        {
            (token, left, refusal) = await FetchAsync(force: true, deadline);
        }

        if (token is null)
        {
            return (null, refusal);
        }

        await StoreAsync(connection, token, left, deadline);
        await transaction.CommitAsync(deadline);
        return (Remember(token, left), null);
    }

    private string Remember(string token, TimeSpan left)
    {
        var usable = Math.Max(0, (left - Early).TotalSeconds);
        _known = new Known(token, time.GetTimestamp() + (long)(usable * time.TimestampFrequency));
        return token;
    }

    private async Task<(string Token, TimeSpan Left)?> StoredAsync(
        NpgsqlConnection connection,
        CancellationToken deadline
    )
    {
        var row = await connection.QuerySingleOrDefaultAsync<(byte[] Ciphertext, TimeSpan Left)>(
            new CommandDefinition(
                """
                SELECT ciphertext, expires_at - clock_timestamp()
                FROM wechat_token
                WHERE app_id = @app AND key_id = @DerivedKey AND expires_at > clock_timestamp() + @Early
                """,
                new
                {
                    app = settings.KeyId,
                    DerivedKey,
                    Early,
                },
                cancellationToken: deadline
            )
        );
        return row.Ciphertext is not null && Open(row.Ciphertext) is { } token ? (token, row.Left) : null;
    }

    private Task<int> StoreAsync(
        NpgsqlConnection connection,
        string token,
        TimeSpan left,
        CancellationToken deadline
    ) =>
        connection.ExecuteAsync(
            new CommandDefinition(
                """
                INSERT INTO wechat_token (app_id, ciphertext, key_id, expires_at)
                VALUES (@app, @ciphertext, @DerivedKey, clock_timestamp() + @left)
                ON CONFLICT (app_id) DO UPDATE
                SET ciphertext = excluded.ciphertext, key_id = excluded.key_id, expires_at = excluded.expires_at
                """,
                new
                {
                    app = settings.KeyId,
                    ciphertext = Seal(token),
                    DerivedKey,
                    left,
                },
                cancellationToken: deadline
            )
        );

    /// <summary>Asks for the current stable token; with <paramref name="force"/> for another, which the provider allows 20
    /// times a day.</summary>
    private async Task<(string? Token, TimeSpan Left, SendResult? Refusal)> FetchAsync(
        bool force,
        CancellationToken deadline
    )
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(settings.BaseUrl!, "/cgi-bin/stable_token"))
        {
            Content = ProviderWords.JsonContent(
                new
                {
                    grant_type = "client_credential",
                    appid = settings.KeyId,
                    secret = settings.Secret,
                    force_refresh = force,
                }
            ),
        };
        var answer = await http.SendAsync(message, deadline);
        if (answer is not ProviderAnswer.Reply reply || reply.Json() is not { } json)
        {
            return (null, default, new SendResult.Throttled(FetchAgainAfter));
        }

        if (json.Text("access_token") is { Length: > 0 and <= 4096 } token && Seconds(json) is { } left)
        {
            return (token, left, null);
        }

        return (null, default, WeChatCodes.TokenRefused(ProviderWords.Code(json.Text("errcode")), reply));
    }

    private static TimeSpan? Seconds(JsonElement json) =>
        int.TryParse(json.Text("expires_in"), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            ? TimeSpan.FromSeconds(Math.Min(seconds, 7_200))
            : null;

    private byte[] Seal(string token)
    {
        var plain = Encoding.UTF8.GetBytes(token);
        var sealedBytes = new byte[12 + 16 + plain.Length];
        RandomNumberGenerator.Fill(sealedBytes.AsSpan(0, 12));
        using var aes = new AesGcm(_key, 16);
        aes.Encrypt(sealedBytes.AsSpan(0, 12), plain, sealedBytes.AsSpan(28), sealedBytes.AsSpan(12, 16));
        return sealedBytes;
    }

    /// <summary>Null for what another secret sealed.</summary>
    private string? Open(byte[] ciphertext)
    {
        if (ciphertext.Length < 28)
        {
            return null;
        }

        try
        {
            var plain = new byte[ciphertext.Length - 28];
            using var aes = new AesGcm(_key, 16);
            aes.Decrypt(ciphertext.AsSpan(0, 12), ciphertext.AsSpan(28), ciphertext.AsSpan(12, 16), plain);
            return Encoding.UTF8.GetString(plain);
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    private sealed record Known(string Token, long UseUntil)
    {
        public override string ToString() => nameof(Known);
    }
}
