using Hangfire.Storage;

namespace Campaigns.Jobs.Hangfire;

/// <summary>Which of Hangfire's jobs is the one asked for last under one of our ids; kept in Hangfire's own storage.
/// To be read and written under the id's lock.</summary>
internal sealed class Asked(IStorageConnection connection, string jobId)
{
    /// <summary>Stands for a recurring job, which Hangfire keeps under our own id.</summary>
    public const string ByCron = "cron";

    private const string Field = "job";

    private readonly string _key = "campaigns-job:" + jobId;

    public string? Mark =>
        connection.GetAllEntriesFromHash(_key) is { } entries && entries.TryGetValue(Field, out var mark) ? mark : null;

    public bool Is(string mark) => Mark == mark;

    public void Be(string mark) => connection.SetRangeInHash(_key, [KeyValuePair.Create(Field, mark)]);

    public void Forget()
    {
        using var transaction = connection.CreateWriteTransaction();
        transaction.RemoveHash(_key);
        transaction.Commit();
    }
}
