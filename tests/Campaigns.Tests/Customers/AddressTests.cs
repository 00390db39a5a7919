using System.Security.Cryptography;
using Campaigns.Channels;
using Campaigns.Customers;
using Microsoft.Extensions.Configuration;

namespace Campaigns.Tests.Customers;

public sealed class AddressTests
{
    [Theory]
    [InlineData("13812345678", "+8613812345678")]
    [InlineData("138-1234-5678", "+8613812345678")]
    [InlineData("+86 138 1234 5678", "+8613812345678")]
    [InlineData("008613812345678", "+8613812345678")]
    [InlineData("8613812345678", "+8613812345678")]
    [InlineData("+1 (212) 555-0100", "+12125550100")]
    public void A_phone_has_one_form(string written, string stored) =>
        Assert.Equal(stored, AddressForms.Normalise(Channel.Sms, written));

    [Theory]
    [InlineData("+86abc")]
    [InlineData("12812345678")]
    [InlineData("010-12345678")]
    [InlineData("+8602012345678")]
    [InlineData("")]
    [InlineData("+1234567890123456")]
    public void What_is_no_mobile_is_refused(string written) =>
        Assert.Null(AddressForms.Normalise(Channel.Sms, written));

    [Fact]
    public void A_sealed_address_opens_for_its_channel_alone()
    {
        var address = TestBank.Vault.Seal(Channel.Sms, "+8613812345678");

        Assert.Equal("+8613812345678", TestBank.Vault.Open(Channel.Sms, address.KeyId, address.Ciphertext));
        Assert.ThrowsAny<CryptographicException>(() =>
            TestBank.Vault.Open(Channel.App, address.KeyId, address.Ciphertext)
        );
        address.Ciphertext[^1] ^= 1;
        Assert.ThrowsAny<CryptographicException>(() =>
            TestBank.Vault.Open(Channel.Sms, address.KeyId, address.Ciphertext)
        );
    }

    [Fact]
    public void An_address_is_found_by_its_hash_and_looks_different_each_time()
    {
        var one = TestBank.Vault.Seal(Channel.App, "registration");
        var other = TestBank.Vault.Seal(Channel.App, "registration");

        Assert.Equal(one.Lookup, other.Lookup);
        Assert.Equal(16, one.Lookup.Length);
        Assert.NotEqual(one.Ciphertext, other.Ciphertext);
        Assert.NotEqual(one.Lookup, TestBank.Vault.Lookup(Channel.WeChat, "registration"));
    }

    [Fact]
    public void A_new_key_seals_and_the_old_one_still_opens()
    {
        var lookup = new byte[32];
        using var before = new AddressVault(new Dictionary<short, byte[]> { [1] = new byte[32] }, lookup);
        using var after = new AddressVault(
            new Dictionary<short, byte[]> { [1] = new byte[32], [2] = [.. Enumerable.Repeat((byte)2, 32)] },
            lookup
        );
        var old = before.Seal(Channel.App, "registration");

        Assert.Equal("registration", after.Open(Channel.App, old.KeyId, old.Ciphertext));
        Assert.Equal(2, after.Seal(Channel.App, "registration").KeyId);
        Assert.Equal(old.Lookup, after.Lookup(Channel.App, "registration"));
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("c2hvcnQ=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", null)]
    public void Keys_that_are_missing_or_short_are_named_and_not_shown(string? key, string? lookup)
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(
                new Dictionary<string, string?> { ["Addresses:Keys:1"] = key, ["Addresses:LookupKey"] = lookup }
            )
            .Build();

        var fault = Assert.Throws<InvalidOperationException>(() => AddressVault.From(configuration));

        Assert.Contains("Addresses:", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("c2hvcnQ", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_address_never_shows_by_accident() =>
        Assert.DoesNotContain("138", Given.Profile("13812345678").ToString(), StringComparison.Ordinal);
}
