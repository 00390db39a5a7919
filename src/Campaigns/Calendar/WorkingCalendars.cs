using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Calendar;

/// <summary>A working calendar at one of its versions.</summary>
public sealed record NamedCalendar
{
    public required string CalendarId { get; init; }

    /// <summary>1 for the first; grows with every change.</summary>
    public required int Version { get; init; }
    public required WorkingCalendar Calendar { get; init; }
    public required string CreatedBy { get; init; }

    /// <summary>Business time.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>Working calendars by the names that campaigns use. Versions are kept; the newest holds.</summary>
public sealed class WorkingCalendars(NpgsqlDataSource dataSource)
{
    /// <summary>Makes a calendar or a new version of it; the same days again make none.</summary>
    /// <param name="seen">The version the caller saw last; null where it does not say.</param>
    /// <returns>400 <c>validation-failed</c>; 412 <c>version-mismatch</c>; 422 <c>invalid-calendar</c>.</returns>
    public async Task<Result<NamedCalendar>> PutAsync(
        Actor actor,
        string calendarId,
        WorkingCalendar calendar,
        int? seen,
        CancellationToken cancellationToken
    )
    {
        var faults = new FaultList();
        faults.CheckId("calendarId", calendarId);
        faults.Add(calendar.Validate());
        if (faults.ToError() is { } error)
        {
            return error;
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync(
            "SELECT pg_advisory_xact_lock(hashtext('calendar ' || @calendarId))",
            new { calendarId }
        );
        var before = await FindAsync(connection, calendarId);
        if (seen is not null && seen != (before?.Version ?? 0))
        {
            return Error.VersionMismatch("calendar", calendarId, before?.Version ?? 0);
        }

        if (before is not null && Documents.Same(before.Calendar, calendar))
        {
            return before;
        }

        var made = new NamedCalendar
        {
            CalendarId = calendarId,
            Version = (before?.Version ?? 0) + 1,
            Calendar = calendar,
            CreatedBy = actor.Id,
            CreatedAt = await BusinessClock.NowAsync(connection),
        };
        await connection.ExecuteAsync(
            """
            INSERT INTO working_calendar (calendar_id, version, days, created_by, created_at)
            VALUES (@CalendarId, @Version, @days::jsonb, @CreatedBy, @CreatedAt)
            """,
            new
            {
                made.CalendarId,
                made.Version,
                days = Documents.Write(calendar),
                made.CreatedBy,
                made.CreatedAt,
            }
        );
        await AuditLog.WriteAsync(
            connection,
            made.CreatedAt,
            actor,
            before is null ? "created" : "changed",
            "calendar",
            calendarId,
            new { made.Version }
        );
        await transaction.CommitAsync(cancellationToken);
        return made;
    }

    /// <summary>The newest version; 404.</summary>
    public async Task<Result<NamedCalendar>> GetAsync(string calendarId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await FindAsync(connection, calendarId) is { } calendar
            ? calendar
            : Error.NotFound("calendar", calendarId);
    }

    /// <summary>The newest version on a connection at hand; null where there is none.</summary>
    public static async Task<NamedCalendar?> FindAsync(NpgsqlConnection connection, string calendarId)
    {
        var row = await connection.QuerySingleOrDefaultAsync<Row>(
            """
            SELECT calendar_id, version, days::text AS days, created_by, created_at FROM working_calendar
            WHERE calendar_id = @calendarId ORDER BY version DESC LIMIT 1
            """,
            new { calendarId }
        );
        return row is null
            ? null
            : new NamedCalendar
            {
                CalendarId = row.CalendarId,
                Version = row.Version,
                Calendar = Documents.Read<WorkingCalendar>(row.Days),
                CreatedBy = row.CreatedBy,
                CreatedAt = row.CreatedAt,
            };
    }

    internal static Task<bool> ExistsAsync(NpgsqlConnection connection, string calendarId) =>
        connection.QuerySingleAsync<bool>(
            "SELECT EXISTS (SELECT FROM working_calendar WHERE calendar_id = @calendarId)",
            new { calendarId }
        );

    private sealed record Row
    {
        public required string CalendarId { get; init; }
        public int Version { get; init; }
        public required string Days { get; init; }
        public required string CreatedBy { get; init; }
        public DateTimeOffset CreatedAt { get; init; }
    }
}
