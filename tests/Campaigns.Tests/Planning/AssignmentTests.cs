using System.Text.Json;
using Campaigns.Planning;
using Campaigns.Tests.Support;
using Dapper;
using FsCheck;
using FsCheck.Fluent;

namespace Campaigns.Tests.Planning;

public sealed class AssignmentTests
{
    [Theory]
    [InlineData("new-citizens-payday:holdout", 1105884608, 1, 788)]
    [InlineData("new-citizens-payday:holdout", 1105884608, 2, 5566)]
    [InlineData("new-citizens-payday:variant", 3346183310, 1, 4045)]
    [InlineData("global-holdout-2026", 1594324112, 1_000_000, 2353)]
    [InlineData("global-holdout-2026", 1594324112, 4_294_967_297, 2407)]
    [InlineData("global-holdout-2026", 1594324112, 9_007_199_254_740_993, 5532)]
    public void A_customer_has_the_published_bucket(string salt, uint salt32, long customerKey, int bucket)
    {
        Assert.Equal(salt32, Assignment.Salt32(salt));
        Assert.Equal(bucket, Assignment.Bucket(customerKey, salt32));
    }

    [SharedDataFact]
    public void All_published_vectors_agree()
    {
        using var json = JsonDocument.Parse(File.ReadAllText(SharedData.Path("vectors/statistics.json")));

        foreach (var vector in json.RootElement.GetProperty("assignment_bucket").EnumerateArray())
        {
            var salt32 = Assignment.Salt32(vector.GetProperty("salt").GetString()!);
            Assert.Equal(vector.GetProperty("salt32").GetUInt32(), salt32);
            Assert.Equal(
                vector.GetProperty("bucket").GetInt32(),
                Assignment.Bucket(vector.GetProperty("customer_key").GetInt64(), salt32)
            );
        }
    }

    [Fact]
    public void A_campaigns_salts_are_those_of_the_vectors()
    {
        Assert.Equal(1105884608u, Assignment.Salt32(Assignment.HoldoutSalt("new-citizens-payday")));
        Assert.Equal(3346183310u, Assignment.Salt32(Assignment.VariantSalt("new-citizens-payday")));
    }

    [Fact]
    public void Whatever_the_weights_every_bucket_has_one_variant_and_each_its_share() =>
        Seeded.ForAll(
            Gen.Choose(0, 1_000).NonEmptyListOf().Where(weights => weights.Sum() > 0),
            1_000,
            weights =>
            {
                var bounds = Assignment.VariantBounds([.. weights]);

                Assert.Equal(Assignment.Buckets, bounds[^1]);
                double total = weights.Sum();
                for (var i = 0; i < bounds.Length; i++)
                {
                    var buckets = bounds[i] - (i == 0 ? 0 : bounds[i - 1]);
                    var share = Assignment.Buckets * weights[i] / total;
                    Assert.InRange(buckets, Math.Floor(share), Math.Ceiling(share) + 1);
                    Assert.True(weights[i] > 0 || buckets == 0, "a variant of no weight has nobody");
                }
            }
        );

    [Fact]
    public void Whatever_the_key_and_the_salt_a_bucket_is_one_of_ten_thousand_and_stays() =>
        Seeded.ForAll(
            Gen.Choose(int.MinValue, int.MaxValue).Three(),
            2_000,
            given =>
            {
                var (high, low, salt) = given;
                var key = ((long)high << 32) | (uint)low;

                var bucket = Assignment.Bucket(key, (uint)salt);

                Assert.InRange(bucket, 0, Assignment.Buckets - 1);
                Assert.Equal(bucket, Assignment.Bucket(key, (uint)salt));
            }
        );

    [Fact]
    public async Task SQL_puts_every_customer_into_the_same_bucket()
    {
        await using var database = await Databases.CreateAsync();
        await using var connection = await database.DataSource.OpenConnectionAsync();
        var random = new Random(20260214);
        long[] keys =
        [
            0,
            1,
            -1,
            int.MaxValue,
            int.MinValue,
            uint.MaxValue,
            1L + uint.MaxValue,
            long.MaxValue,
            long.MinValue,
            .. Enumerable.Range(0, 20_000).Select(_ => random.NextInt64(long.MinValue, long.MaxValue)),
            .. Enumerable.Range(1, 20_000),
        ];
        var salts = new[] { "spring:holdout", "spring:variant" }.Select(Assignment.Salt32).ToArray();
        uint[] extremes = [0, uint.MaxValue];

        await connection.ExecuteAsync("INSERT INTO contact (customer_key) SELECT DISTINCT unnest(@keys)", new { keys });
        foreach (var (first, second) in new[] { (salts[0], salts[1]), (extremes[0], extremes[1]) })
        {
            var rows = await connection.QueryAsync<(long Key, int First, int Second)>(
                $"""
                SELECT customer_key, {Assignment.BucketSql("key_hash", "@first")},
                    {Assignment.BucketSql("key_hash", "@second")}
                FROM contact ORDER BY customer_key
                """,
                new { first = (long)first, second = (long)second }
            );

            Assert.Equal(
                keys.Distinct().Order().Select(k => (k, Assignment.Bucket(k, first), Assignment.Bucket(k, second))),
                rows
            );
        }
    }

    [Fact]
    public void Buckets_are_uniform_over_consecutive_customers()
    {
        var salt = Assignment.Salt32("uniform");
        var counts = new int[100];
        for (var key = 1; key <= 1_000_000; key++)
            counts[Assignment.Bucket(key, salt) / 100]++;

        // 99 degrees of freedom: 99 ± 5 standard deviations.
        var chiSquare = counts.Sum(n => Math.Pow(n - 10_000, 2) / 10_000);
        Assert.InRange(chiSquare, 29, 169);
    }

    [Fact]
    public void Arms_of_different_salts_are_independent()
    {
        string[] salts = ["a:holdout", "a:variant", "b:holdout", "b:variant", "global-1", "global-2"];
        var heldOut = salts
            .Select(Assignment.Salt32)
            .Select(salt => Enumerable.Range(1, 100_000).Select(k => Assignment.Bucket(k, salt) < 1_000).ToArray())
            .ToArray();

        for (var i = 0; i < salts.Length; i++)
        {
            for (var j = i + 1; j < salts.Length; j++)
            {
                var both = heldOut[i].Zip(heldOut[j]).Count(p => p.First && p.Second);
                // 1 % of 100,000, standard deviation 31.5.
                Assert.InRange(both, 1_000 - 5 * 32, 1_000 + 5 * 32);
            }
        }
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("0.1", 1_000)]
    [InlineData("0.00015", 2)]
    [InlineData("1", 10_000)]
    public void Held_out_are_the_buckets_below_the_share(string share, int buckets) =>
        Assert.Equal(
            buckets,
            Assignment.HoldoutBuckets(decimal.Parse(share, System.Globalization.CultureInfo.InvariantCulture))
        );

    [Theory]
    [InlineData(new[] { 1 }, new[] { 10_000 })]
    [InlineData(new[] { 1, 1 }, new[] { 5_000, 10_000 })]
    [InlineData(new[] { 1, 1, 1 }, new[] { 3_334, 6_667, 10_000 })]
    [InlineData(new[] { 0, 3, 1, 0 }, new[] { 0, 7_500, 10_000, 10_000 })]
    [InlineData(new[] { int.MaxValue, int.MaxValue }, new[] { 5_000, 10_000 })]
    public void Variants_take_buckets_by_cumulative_weight_in_declared_order(int[] weights, int[] bounds) =>
        Assert.Equal(bounds, Assignment.VariantBounds(weights));

    [Theory]
    [InlineData]
    [InlineData(0, 0)]
    [InlineData(2, -1)]
    public void Weights_that_choose_nobody_are_a_mistake(params int[] weights) =>
        Assert.Throws<ArgumentException>(() => Assignment.VariantBounds(weights));
}
