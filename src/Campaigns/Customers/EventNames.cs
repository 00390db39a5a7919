using System.Text.RegularExpressions;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>How events and their sources are named, and which names are the service's own.</summary>
public static partial class EventNames
{
    /// <summary>What a name has to be, for a person.</summary>
    public const string Form =
        "must be 1 to 63 characters of a-z, 0-9, '.', '_' and '-', the first a letter or a digit";

    /// <summary>The attribute by which an event names the id of what it takes back: an event of the same source and
    /// customer.</summary>
    public const string Reverses = "reverses";

    /// <summary>SQL: whether an event <c>e</c> takes another back, and so is none of its own name.</summary>
    internal const string TakesBack = $"coalesce(e.attributes ? '{Reverses}', false)";

    /// <summary>SQL: whether an event <c>e</c> had been taken back at <c>@until</c>.</summary>
    internal const string IsTakenBack = """
        EXISTS (
            SELECT FROM reversal v
            WHERE v.customer_key = e.customer_key AND v.event_source = e.event_source AND v.event_id = e.event_id
                AND v.recorded_at <= @until
        )
        """;

    /// <summary>The source of what customers do in the inbox.</summary>
    public const string Inbox = "inbox";

    /// <summary>The source of what WeChat calls back.</summary>
    public const string WeChat = "wechat";

    private const string Engagements = "message.";

    /// <summary>1 to 63 characters of <c>[a-z0-9._-]</c>, the first a letter or a digit.</summary>
    public static bool IsValid(string name) => Pattern().IsMatch(name);

    /// <summary>Whether events of this name are engagements, which the service records itself.</summary>
    public static bool IsEngagement(string name) => name.StartsWith(Engagements, StringComparison.Ordinal);

    /// <summary>Why nobody else may say a source; null where anybody may.</summary>
    internal static FieldError? FindSourceFault(string source) =>
        !IsValid(source) ? new("source", Form)
        : source is Inbox or WeChat
            ? new("source", $"'{source}' is the service's own: name the system that says so, such as mobile-bank")
        : null;

    /// <summary>Makes a name known in the caller's transaction, where there is room for it: partners use known ones
    /// only.</summary>
    public static Task LearnAsync(NpgsqlConnection connection, string name) =>
        connection.ExecuteAsync(NameKeys.Add("event_type"), new { names = new[] { name } });

    [GeneratedRegex(@"\A[a-z0-9][a-z0-9._-]{0,62}\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Pattern();
}
