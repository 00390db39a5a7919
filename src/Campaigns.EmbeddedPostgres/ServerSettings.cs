using System.Globalization;

namespace Campaigns.Embedded;

internal static class ServerSettings
{
    private const long Mebibyte = 1024 * 1024;

    public static Dictionary<string, string> Of(EmbeddedPostgresOptions options)
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["listen_addresses"] = "127.0.0.1",
            // Socket paths are limited to some 100 characters, data directories are not.
            ["unix_socket_directories"] = "",
            ["max_connections"] = options.MaxConnections.ToString(CultureInfo.InvariantCulture),
            ["shared_buffers"] = $"{SharedBuffersMebibytes(options.Durable)}MB",
            ["work_mem"] = "64MB",
            ["maintenance_work_mem"] = "256MB",
            ["wal_compression"] = "lz4",
            ["max_wal_size"] = "4GB",
            ["checkpoint_timeout"] = "15min",
            ["jit"] = "off",
            ["timezone"] = "UTC",
            ["log_timezone"] = "UTC",
            ["lc_messages"] = "C",
            ["log_checkpoints"] = "off",
            // Statements and the values in their errors may name customers.
            ["log_min_messages"] = "log",
            ["log_min_error_statement"] = "panic",
            ["log_error_verbosity"] = "terse",
        };
        if (SharedMemoryIsSmall())
        {
            settings["dynamic_shared_memory_type"] = "mmap";
        }

        var durability = options.Durable ? "on" : "off";
        settings["fsync"] = durability;
        settings["synchronous_commit"] = durability;
        settings["full_page_writes"] = durability;
        foreach (var (name, value) in options.Settings)
        {
            settings[name] = value;
        }

        return settings;
    }

    private static long SharedBuffersMebibytes(bool durable) =>
        durable ? Math.Clamp(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / Mebibyte / 4, 128, 2048) : 256;

    // Containers give /dev/shm 64 MB, which one parallel query can fill.
    private static bool SharedMemoryIsSmall()
    {
        var drive = Directory.Exists("/dev/shm") ? new DriveInfo("/dev/shm") : null;
        return drive is { TotalSize: < 512 * Mebibyte };
    }
}
