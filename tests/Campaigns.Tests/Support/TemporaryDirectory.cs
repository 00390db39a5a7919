namespace Campaigns.Tests.Support;

/// <summary>A directory that any account may enter, deleted with all in it when disposed.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    private const UnixFileMode OpenToAll = (UnixFileMode)0b111_101_101;

    public TemporaryDirectory()
    {
        FullName = Directory.CreateTempSubdirectory("campaigns-test-").FullName;
        File.SetUnixFileMode(FullName, OpenToAll);
    }

    public string FullName { get; }

    public string Below(string relative) => Path.Combine(FullName, relative);

    /// <summary>Writes a shell script that may be run, and the folders it lies in.</summary>
    public void Script(string relative, string body)
    {
        var path = Below(relative);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, $"#!/bin/sh\n{body}\n");
        File.SetUnixFileMode(path, OpenToAll);
    }

    public void Dispose() => Directory.Delete(FullName, recursive: true);
}
