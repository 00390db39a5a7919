namespace Campaigns.Api.Hosting;

/// <summary>What this node does, and what it was started with.</summary>
/// <param name="Serves">Answers requests.</param>
/// <param name="Works">Plans and dispatches.</param>
/// <param name="ConnectionString">Of the product's database.</param>
internal sealed record Node(string Role, bool Serves, bool Works, string ConnectionString)
{
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

        return role switch
        {
            "api" => new Node(role, Serves: true, Works: false, connection),
            "worker" => new Node(role, Serves: false, Works: true, connection),
            "all" => new Node(role, Serves: true, Works: true, connection),
            _ => throw new InvalidOperationException($"Role is '{role}'; it can be api, worker or all."),
        };
    }
}
