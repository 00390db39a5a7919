using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Results;
using Campaigns.Segments;
using Npgsql;
using NpgsqlTypes;

namespace Campaigns.Planning;

/// <summary>The planning statement of one run, compiled once and bound to one key range after another. Planning, preview
/// and explanation are this same statement.</summary>
internal sealed class DecisionStatement
{
    private const int MinorAge = 14;
    private const int ElderlyAge = 65;

    /// <summary>For the transaction around the statement: planned each time with the values known, for a plan kept from an
    /// empty table is five times slower, with room for the hashed sub-selects of event conditions.</summary>
    public const string Settings =
        "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL work_mem = '64MB'; SET LOCAL jit = off";

    private readonly RunPlan _plan;
    private readonly RunRow _run;
    private readonly IReadOnlyList<RuleParameter> _ruleParameters;

    private readonly CalendarTable _calendar;

    private DecisionStatement(
        RunPlan plan,
        RunRow run,
        CalendarTable calendar,
        CompiledRule include,
        IReadOnlyList<CompiledRule> segments,
        CompiledRule? exclude,
        string? score
    )
    {
        (_plan, _run, _calendar) = (plan, run, calendar);
        _ruleParameters =
        [
            .. include.Parameters,
            .. segments.SelectMany(segment => segment.Parameters),
            .. exclude?.Parameters ?? [],
        ];
        Facts = DecisionSql.Facts(plan, include, segments, exclude, score, run.EarlierRuns.Length > 0);
        Gated = DecisionSql.Gated(plan, Facts);
        Decisions = DecisionSql.Decisions(plan, Facts);
        AllFailing = DecisionSql.AllFailing(plan, Facts);
    }

    /// <summary>A row for each customer of the audience, with what the gates read.</summary>
    public string Facts { get; }

    /// <summary>A row for each customer of the audience, with the first gate before the ranking that fails.</summary>
    public string Gated { get; }

    /// <summary>A row for each customer of the audience, in the columns of <c>decision</c>.</summary>
    public string Decisions { get; }

    /// <summary>The last of these columns, with its comma, where decisions have it.</summary>
    public string Segments => DecisionSql.Segments(_plan);

    /// <summary>A row for each customer of the audience, with every gate that fails.</summary>
    public string AllFailing { get; }

    /// <param name="plan">The run's plan; its ranking settled where that is to be read.</param>
    public static async Task<Result<DecisionStatement>> CompileAsync(
        NpgsqlConnection connection,
        SegmentStore segments,
        RunRow run,
        RunPlan plan,
        CancellationToken cancellationToken
    )
    {
        var included = await segments.CompileAsync(connection, plan.Include, "i", cancellationToken);
        if (!included.TryGet(out var include, out var error))
        {
            return error;
        }

        var segmented = await SegmentsAsync(connection, segments, plan, cancellationToken);
        if (!segmented.TryGet(out var parts, out error))
        {
            return error;
        }

        CompiledRule? exclude = null;
        if (plan.Exclude.Count > 0)
        {
            var excluded = await segments.CompileAsync(connection, plan.Exclude, "x", cancellationToken);
            if (!excluded.TryGet(out exclude, out error))
            {
                return error;
            }
        }

        string? score = null;
        if (plan.Top is { } top)
        {
            var fields = await RuleFields.ReadAsync(connection);
            if (!fields.TryGetValue(top.Field, out var field) || field.Type is not FieldType.Number)
            {
                return Error.Invalid(
                    "unknown-rule-field",
                    "audience.top.field",
                    "Not a number of the field catalogue."
                );
            }

            score = field.Sql();
        }

        var calendar = await CalendarTable.ReadAsync(connection, run.RunKey);
        return new DecisionStatement(plan, run, calendar, include, parts, exclude, score);
    }

    // Each by itself, to tell who is in which.
    private static async Task<Result<IReadOnlyList<CompiledRule>>> SegmentsAsync(
        NpgsqlConnection connection,
        SegmentStore segments,
        RunPlan plan,
        CancellationToken cancellationToken
    )
    {
        var rules = new List<CompiledRule>();
        foreach (var segment in plan.Include.Count > 1 ? plan.Include : [])
        {
            var prefix = $"s{(char)('a' + (rules.Count / 26))}{(char)('a' + (rules.Count % 26))}";
            var compiled = await segments.CompileAsync(connection, [segment], prefix, cancellationToken);
            if (!compiled.TryGet(out var rule, out var error))
            {
                return error;
            }

            rules.Add(rule);
        }

        return rules;
    }

    /// <summary>A command over the customers with keys in [<paramref name="low"/>, <paramref name="high"/>).</summary>
    /// <param name="text">SQL around one of the statement's texts.</param>
    public NpgsqlCommand Command(NpgsqlConnection connection, string text, long low, long high)
    {
        var command = new NpgsqlCommand(text, connection) { CommandTimeout = 0 };
        var parameters = command.Parameters;
        var today = DateOnly.FromDateTime(TimeZones.ToLocal(TimeZones.Bank, _run.AsOf));
        parameters.AddWithValue("run", _run.RunKey);
        parameters.AddWithValue("low", low);
        parameters.AddWithValue("high", high);
        parameters.AddWithValue("as_of", _run.AsOf.UtcDateTime);
        parameters.AddWithValue("today", today);
        parameters.AddWithValue("born_after", today.AddYears(-MinorAge));
        parameters.AddWithValue("elderly_born", today.AddYears(-ElderlyAge));
        parameters.AddWithValue("channels", ChannelSet.Of(_plan.Channels));
        parameters.AddWithValue("choice", ChannelChoice.Table(_plan.Channels));
        parameters.AddWithValue("earlier", _run.EarlierRuns);
        parameters.AddWithValue("authorised", _plan.AuthorisedTemplates.ToArray());
        Add(parameters, "risk", NpgsqlDbType.Smallint, (short?)_plan.ProductRisk);
        Add(parameters, "per_day", NpgsqlDbType.Integer, _plan.Caps.PerDay);
        Add(parameters, "per_week", NpgsqlDbType.Integer, _plan.Caps.PerWeek);
        Add(parameters, "gap", NpgsqlDbType.Interval, _plan.Caps.MinimumGap);
        _calendar.Bind(parameters);
        AddArms(parameters);
        AddCuts(parameters);
        foreach (var parameter in _ruleParameters)
        {
            parameters.Add(parameter.Bind(_run.AsOf));
        }

        return command;
    }

    private void AddArms(NpgsqlParameterCollection parameters)
    {
        parameters.AddWithValue("holdout_salt", (long)Assignment.Salt32(_plan.HoldoutSalt));
        parameters.AddWithValue("holdout_buckets", _plan.HoldoutBuckets);
        parameters.AddWithValue("variant_salt", (long)Assignment.Salt32(_plan.VariantSalt));
        parameters.AddWithValue("variants", _plan.Variants.Select(variant => (short)variant.Number).ToArray());
        parameters.AddWithValue("variant_bounds", _plan.Variants.SkipLast(1).Select(variant => variant.UpTo).ToArray());
        parameters.AddWithValue("global_salt", (long)Assignment.Salt32(_plan.GlobalHoldout?.Salt ?? ""));
        parameters.AddWithValue("global_buckets", _plan.GlobalHoldout?.Buckets ?? 0);
    }

    // A ranking shorter than its limit has no cut: nobody is behind the lowest score and the highest key.
    private void AddCuts(NpgsqlParameterCollection parameters)
    {
        Add(parameters, "top_score", NpgsqlDbType.Numeric, _plan.TopCut?.Score);
        parameters.AddWithValue("top_key", _plan.TopCut?.CustomerKey ?? long.MaxValue);
        var channels = Enum.GetValues<Channel>();
        var cuts = channels.Select(channel => _plan.BudgetCuts.GetValueOrDefault(channel)).ToArray();
        parameters.Add(
            new NpgsqlParameter("budget_score", NpgsqlDbType.Array | NpgsqlDbType.Numeric)
            {
                Value = cuts.Select(cut => cut?.Score).ToArray(),
            }
        );
        parameters.AddWithValue("budget_key", cuts.Select(cut => cut?.CustomerKey ?? long.MaxValue).ToArray());
    }

    private static void Add(NpgsqlParameterCollection parameters, string name, NpgsqlDbType type, object? value) =>
        parameters.Add(new NpgsqlParameter(name, type) { Value = value ?? DBNull.Value });
}
