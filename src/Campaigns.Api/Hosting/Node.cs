using Campaigns.Dispatch;
using Npgsql;

namespace Campaigns.Api.Hosting;

/// <summary>What this node does, and what it was started with.</summary>
/// <param name="Serves">Answers requests.</param>
/// <param name="Works">Plans and dispatches.</param>
/// <param name="ConnectionString">Of the product's database.</param>
internal sealed record Node(string Role, bool Serves, bool Works, string ConnectionString)
{
    // A machine that is only busy may not come to its next statement for so long.
    private const int LeastIdleSeconds = 15;

    /// <summary>Reads <c>Role</c> (<c>api</c>, <c>worker</c> or <c>all</c>; also <c>--role</c>) and
    /// <c>ConnectionStrings:Campaigns</c>.</summary>
    /// <exception cref="InvalidOperationException">One is wrong or missing; the message says what to do.</exception>
    public static Node From(IConfiguration configuration)
    {
        var role = configuration["Role"] ?? "all";
        var connection = configuration.GetConnectionString("Campaigns");
        if (string.IsNullOrWhiteSpace(connection))
        {
            throw new InvalidOperationException(
                "ConnectionStrings:Campaigns is not set: name a PostgreSQL database, for example with the environment "
                    + "variable ConnectionStrings__Campaigns."
            );
        }

        connection = Bounded(connection, configuration.GetValue<TimeSpan?>("Dispatch:Lease"));
        return role switch
        {
            "api" => new Node(role, Serves: true, Works: false, connection),
            "worker" => new Node(role, Serves: false, Works: true, connection),
            "all" => new Node(role, Serves: true, Works: true, connection),
            _ => throw new InvalidOperationException($"Role is '{role}'; it can be api, worker or all."),
        };
    }

    /// <summary>A node that is stopped in the middle of a transaction, as virtual machines are, would keep its locks until it
    /// wakes: on a chunk, on a campaign's fence, on the sweep. The server ends such a transaction when a lease would have
    /// run out. Not where the connection brings options of its own.</summary>
    private static string Bounded(string connection, TimeSpan? lease)
    {
        var settings = new NpgsqlConnectionStringBuilder(connection);
        var seconds = Math.Max(LeastIdleSeconds, (lease ?? new DispatchOptions().Lease).TotalSeconds);
        settings.Options ??= $"-c idle_in_transaction_session_timeout={seconds:0}s";
        return settings.ConnectionString;
    }
}
