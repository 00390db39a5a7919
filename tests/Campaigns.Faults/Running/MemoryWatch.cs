using System.Globalization;

namespace Campaigns.Faults.Running;

/// <summary>How much memory a node has resident, again and again; megabytes, zero where the system does not say.</summary>
internal sealed class MemoryWatch : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);
    private readonly List<long> _seen = [];
    private readonly NodeProcess _node;
    private readonly Timer _timer;

    public MemoryWatch(NodeProcess node)
    {
        _node = node;
        _seen.Add(Read());
        _timer = new Timer(_ => Look(), null, Pause, Pause);
    }

    public long First => _seen[0];

    public long Most => _seen.Max();

    /// <summary>From the most of the first third to the most of the last: what is still growing.</summary>
    public long Growth => _seen.Count < 6 ? 0 : MostOf(2) - MostOf(0);

    public string Trend => $"thirds {MostOf(0)}, {MostOf(1)}, {MostOf(2)} MB";

    public void Stop()
    {
        _timer.Change(Timeout.Infinite, Timeout.Infinite);
        Look();
    }

    public void Dispose() => _timer.Dispose();

    private long MostOf(int third)
    {
        lock (_seen)
        {
            return _seen.Skip(third * _seen.Count / 3).Take(Math.Max(1, _seen.Count / 3)).Max();
        }
    }

    private void Look()
    {
        lock (_seen)
        {
            _seen.Add(Read());
        }
    }

    private long Read()
    {
        var file = $"/proc/{_node.ProcessId}/status";
        var line = File.Exists(file)
            ? File.ReadLines(file).FirstOrDefault(one => one.StartsWith("VmRSS:", StringComparison.Ordinal))
            : null;
        return line is null
            ? 0
            : long.Parse(line["VmRSS:".Length..^"kB".Length].Trim(), CultureInfo.InvariantCulture) / 1024;
    }
}
