using System.Net;

namespace Campaigns.Demo;

/// <summary>The customers of a source as the body of a request, written while it is sent.</summary>
internal sealed class CustomerFile : HttpContent
{
    private readonly ICustomerSource _source;
    private readonly Action<int> _wrote;

    public CustomerFile(ICustomerSource source, Action<int> wrote)
    {
        (_source, _wrote) = (source, wrote);
        Headers.ContentType = new("text/csv");
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override Task SerializeToStreamAsync(
        Stream stream,
        TransportContext? context,
        CancellationToken cancellationToken
    ) => _source.WriteAsync(stream, _wrote, cancellationToken);

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
