using Campaigns.Results;

namespace Campaigns.Customers;

/// <summary>Instants that others state: from 2000 on, and up to five minutes ahead of us.</summary>
internal static class Instants
{
    private static readonly DateTimeOffset Earliest = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Ahead = TimeSpan.FromMinutes(5);

    public static Error? FindFault(DateTimeOffset at, DateTimeOffset now, string path) =>
        at > now + Ahead ? Error.Invalid("invalid-time", path, "It lies in the future.")
        : at < Earliest ? Error.Invalid("invalid-time", path, "It lies before 2000-01-01.")
        : null;
}
