using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Campaigns.Channels;
using Microsoft.Extensions.Configuration;

namespace Campaigns.Customers;

/// <summary>An address as it is stored.</summary>
/// <param name="KeyId">Which key it is encrypted with.</param>
/// <param name="Ciphertext">AES-256-GCM: nonce (12 bytes), ciphertext, tag (16 bytes).</param>
/// <param name="Lookup">Keyed hash, 16 bytes: equal for equal addresses of one channel.</param>
public sealed record SealedAddress(short KeyId, byte[] Ciphertext, byte[] Lookup);

/// <summary>Encrypts addresses, finds them by a keyed hash, and decrypts them for sending. Safe for use by many threads.
/// </summary>
public sealed class AddressVault : IDisposable
{
    private const int KeyBytes = 32;
    private const int LookupBytes = 16;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;

    private const int NoncesAtOnce = 256;

    // None of these is made to be shared by threads. One HMAC for all hashes of a thread: its key is set up once.
    private readonly Dictionary<short, ThreadLocal<AesGcm>> _ciphers;
    private readonly ThreadLocal<IncrementalHash> _hashes;
    private readonly ThreadLocal<Nonces> _nonces = new(() => new Nonces());

    /// <summary>The key that new addresses are encrypted with.</summary>
    internal short CurrentKey { get; }

    /// <param name="keys">Keys of 32 bytes by id; new addresses are encrypted with the highest id.</param>
    /// <param name="lookupKey">At least 32 bytes. It can never change: stored hashes would not be found again.</param>
    public AddressVault(IReadOnlyDictionary<short, byte[]> keys, byte[] lookupKey)
    {
        if (keys.Count == 0 || keys.Values.Any(key => key.Length != KeyBytes))
        {
            throw new ArgumentException("At least one key, and each of 32 bytes.", nameof(keys));
        }

        if (lookupKey.Length < KeyBytes)
        {
            throw new ArgumentException("At least 32 bytes.", nameof(lookupKey));
        }

        _ciphers = keys.ToDictionary(
            key => key.Key,
            key => new ThreadLocal<AesGcm>(() => new AesGcm(key.Value, TagBytes), trackAllValues: true)
        );
        CurrentKey = keys.Keys.Max();
        _hashes = new(() => IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, lookupKey), trackAllValues: true);
    }

    /// <summary>Reads <c>Addresses:Keys:{id}</c> (id 1 to 32767, 32 bytes) and <c>Addresses:LookupKey</c>, in base64.
    /// </summary>
    /// <exception cref="InvalidOperationException">A key is missing or has the wrong form; the message is one clear line
    /// without the key.</exception>
    public static AddressVault From(IConfiguration configuration)
    {
        var section = configuration.GetSection("Addresses");
        var keys = section
            .GetSection("Keys")
            .GetChildren()
            .ToDictionary(KeyId, child => Bytes(child.Path, child.Value));
        if (keys.Count == 0)
        {
            throw new InvalidOperationException(
                "Addresses:Keys:1 is not configured: give 32 random bytes in base64, such as `openssl rand -base64 32` prints."
            );
        }

        return new AddressVault(keys, Bytes("Addresses:LookupKey", section["LookupKey"]));
    }

    /// <summary>Encrypts a normalised address with the newest key.</summary>
    public SealedAddress Seal(Channel channel, string address)
    {
        var plain = Encoding.UTF8.GetBytes(address);
        var sealedBytes = new byte[NonceBytes + plain.Length + TagBytes];
        var nonce = sealedBytes.AsSpan(0, NonceBytes);
        _nonces.Value!.Next(nonce);
        _ciphers[CurrentKey]
            .Value!.Encrypt(
                nonce,
                plain,
                sealedBytes.AsSpan(NonceBytes, plain.Length),
                sealedBytes.AsSpan(NonceBytes + plain.Length),
                [(byte)channel]
            );
        return new SealedAddress(CurrentKey, sealedBytes, Lookup(channel, address));
    }

    /// <summary>The keyed hash under which a normalised address is stored.</summary>
    public byte[] Lookup(Channel channel, string address)
    {
        Span<byte> input = stackalloc byte[1 + Encoding.UTF8.GetMaxByteCount(address.Length)];
        input[0] = (byte)channel;
        var length = 1 + Encoding.UTF8.GetBytes(address, input[1..]);
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        var hmac = _hashes.Value!;
        hmac.AppendData(input[..length]);
        hmac.GetHashAndReset(hash);
        return hash[..LookupBytes].ToArray();
    }

    /// <summary>The address in plain text, for a gateway or, masked, for a person.</summary>
    /// <exception cref="CryptographicException">It was changed, or belongs to another channel, or its key is not
    /// configured.</exception>
    public string Open(Channel channel, short keyId, ReadOnlySpan<byte> ciphertext)
    {
        if (!_ciphers.TryGetValue(keyId, out var cipher) || ciphertext.Length < NonceBytes + TagBytes)
        {
            throw new CryptographicException($"An address cannot be decrypted: key {keyId} is not configured.");
        }

        var length = ciphertext.Length - NonceBytes - TagBytes;
        Span<byte> plain = length <= 512 ? stackalloc byte[length] : new byte[length];
        cipher.Value!.Decrypt(
            ciphertext[..NonceBytes],
            ciphertext.Slice(NonceBytes, length),
            ciphertext[(NonceBytes + length)..],
            plain,
            [(byte)channel]
        );
        return Encoding.UTF8.GetString(plain);
    }

    public void Dispose()
    {
        foreach (var cipher in _ciphers.Values)
        {
            foreach (var instance in cipher.Values)
            {
                instance.Dispose();
            }

            cipher.Dispose();
        }

        foreach (var hash in _hashes.Values)
        {
            hash.Dispose();
        }

        _hashes.Dispose();
        _nonces.Dispose();
    }

    private static short KeyId(IConfigurationSection child) =>
        short.TryParse(child.Key, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id > 0
            ? id
            : throw new InvalidOperationException($"{child.Path}: a key's id is a number from 1 to 32767.");

    private static byte[] Bytes(string path, string? base64)
    {
        var bytes = new byte[base64?.Length ?? 0];
        return Convert.TryFromBase64String(base64 ?? "", bytes, out var length) && length == KeyBytes
            ? bytes[..length]
            : throw new InvalidOperationException($"{path} must be 32 bytes in base64.");
    }

    /// <summary>Random bytes, fetched many at once.</summary>
    private sealed class Nonces
    {
        private readonly byte[] _bytes = new byte[NonceBytes * NoncesAtOnce];
        private int _next = NonceBytes * NoncesAtOnce;

        public void Next(Span<byte> nonce)
        {
            if (_next == _bytes.Length)
            {
                RandomNumberGenerator.Fill(_bytes);
                _next = 0;
            }

            _bytes.AsSpan(_next, NonceBytes).CopyTo(nonce);
            _next += NonceBytes;
        }
    }
}
