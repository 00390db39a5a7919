namespace Campaigns.Channels;

/// <summary>A text as the customer receives it: with what the gateway, or the provider behind it, adds.</summary>
internal static class ReceivedText
{
    private const string Refusal = " 拒收请回复R";

    /// <param name="sender">The signature, without brackets; empty for none.</param>
    /// <param name="text">With its variables filled in.</param>
    internal static string Of(GatewayDeclaration gateway, Purpose purpose, string sender, string text) =>
        (gateway.Sender == AddedBy.Gateway && sender.Length > 0 ? $"【{sender}】" : "")
        + text
        + (gateway.Refusal == AddedBy.Gateway && purpose == Purpose.Marketing ? Refusal : "");
}
