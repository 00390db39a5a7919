namespace Campaigns.Tests.EmbeddedServer;

/// <summary>A fact about a host that is root, skipped for anyone else.</summary>
public sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute() => Skip = Environment.IsPrivilegedProcess ? null : "Only root can try this.";
}
