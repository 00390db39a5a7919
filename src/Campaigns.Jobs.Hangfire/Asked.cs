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

    public void Be(string mark) =>
        Write(transaction => transaction.SetRangeInHash(_key, [KeyValuePair.Create(Field, mark)]));

    public void Forget() => Write(transaction => transaction.RemoveHash(_key));

    // What the connection writes by itself is serializable, and fails where many ask at once.
    private void Write(Action<IWriteOnlyTransaction> change)
    {
        using var transaction = connection.CreateWriteTransaction();
        change(transaction);
        transaction.Commit();
    }
}
