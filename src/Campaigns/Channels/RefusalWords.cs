namespace Campaigns.Channels;

/// <summary>What a customer answers to be left alone.</summary>
public static class RefusalWords
{
    private static readonly HashSet<string> Words = new(StringComparer.OrdinalIgnoreCase) { "R", "T", "TD", "退订" };

    /// <summary>Whether the reply is a refusal: <c>R</c>, <c>T</c>, <c>TD</c> or <c>退订</c> and nothing else, in either case,
    /// half or full width, with or without space or a mark around it.</summary>
    public static bool IsRefusal(string reply) =>
        reply.Length <= 64
        && Words.Contains(
            string.Concat(reply.Select(HalfWidth)).Trim(' ', '\t', '\r', '\n', '.', '!', '。', '“', '”', '"')
        );

    /// <summary>Normalisation is not at hand where globalisation is invariant; full-width forms are ASCII, moved.</summary>
    private static char HalfWidth(char letter) =>
        letter is >= '！' and <= '～' ? (char)(letter - 0xFEE0)
        : letter == '　' ? ' '
        : letter;
}
