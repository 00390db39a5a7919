using Campaigns.Access;
using Campaigns.Database;
using Npgsql;

namespace Campaigns.Api.Hosting;

/// <summary>What has to be true before a node answers or works: the newest schema, the signing key, and the first
/// administrator's key in a file of its owner's.</summary>
internal sealed partial class StartUp(
    NpgsqlDataSource dataSource,
    SigningKey signing,
    ApiKeys keys,
    IConfiguration configuration,
    ILogger<StartUp> logger
) : IHostedLifecycleService
{
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        await Migrator.MigrateAsync(dataSource, cancellationToken);
        await signing.LoadAsync(dataSource, configuration["SigningKey"], cancellationToken);
        var file = AdminKeyFile();
        if (await keys.CreateFirstAsync(credential => WriteAsync(file, credential), cancellationToken))
        {
            Log.AdminKeyWritten(logger, file);
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private string AdminKeyFile() =>
        Path.GetFullPath(
            configuration["AdminKeyFile"]
                ?? Path.Combine(
                    Environment.GetFolderPath(
                        Environment.SpecialFolder.LocalApplicationData,
                        Environment.SpecialFolderOption.DoNotVerify
                    ),
                    "campaigns",
                    "admin.key"
                )
        );

    // A file that is renamed into its place is never seen half written, nor with somebody else's rights.
    private static async Task WriteAsync(string file, string credential)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        var draft = $"{file}.{Guid.NewGuid():n}";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        await using (var writer = new StreamWriter(draft, options))
        {
            await writer.WriteLineAsync(credential);
        }

        File.Move(draft, file, overwrite: true);
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "The administrator's key is in {File}.")]
        public static partial void AdminKeyWritten(ILogger logger, string file);
    }
}
