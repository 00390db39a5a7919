using Campaigns.Json;

namespace Campaigns.Api.Edge;

/// <summary>One of an enum's names, written as everywhere in this API: a parameter of the address.</summary>
internal readonly record struct Named<T>(T Value)
    where T : struct, Enum
{
    public static bool TryParse(string? text, out Named<T> named)
    {
        foreach (var value in Enum.GetValues<T>())
        {
            if (ProductJson.NameOf(value) == text)
            {
                named = new Named<T>(value);
                return true;
            }
        }

        named = default;
        return false;
    }
}
