namespace Campaigns.Embedded;

/// <summary>The private PostgreSQL cannot run here. The message is one line for the person who started the program.</summary>
public sealed class EmbeddedPostgresException : Exception
{
    internal EmbeddedPostgresException(string message, Exception? inner = null)
        : base(message.ReplaceLineEndings(" "), inner) { }
}
