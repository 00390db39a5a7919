using System.Diagnostics.CodeAnalysis;

namespace Campaigns.Results;

/// <summary>A value, or the expected failure that stood in its way.</summary>
public readonly record struct Result<T>
{
    private readonly T? _value;

    private Result(T? value, Error? error) => (_value, Error) = (value, error);

    /// <summary>The failure; null on success.</summary>
    public Error? Error { get; }

    /// <summary>The value.</summary>
    /// <exception cref="InvalidOperationException">There is none: the result is a failure.</exception>
    public T Value => Error is null ? _value! : throw new InvalidOperationException(Error.Detail);

    /// <summary>True with the value, or false with the failure.</summary>
    public bool TryGet([NotNullWhen(true)] out T? value, [NotNullWhen(false)] out Error? error)
    {
        (value, error) = (_value, Error);
        return error is null;
    }

    /// <summary>Makes something of the value; a failure stays what it is.</summary>
    public Result<TOther> Map<TOther>(Func<T, TOther> map) => TryGet(out var value, out var error) ? map(value) : error;

    public static implicit operator Result<T>(T value) => new(value, null);

    public static implicit operator Result<T>(Error error) => new(default, error);
}

/// <summary>The value of a success that has nothing to say.</summary>
public readonly record struct Done;
