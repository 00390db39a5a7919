using System.Net;
using System.Net.Sockets;
using Campaigns.Channels;

namespace Campaigns.Tests.Channels;

public sealed class ProviderHttpTests
{
    [Fact]
    public async Task Knows_that_nothing_was_sent_where_nobody_takes_the_connection()
    {
        using var busy = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        busy.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        busy.Listen(backlog: 0);
        // The one place of its queue is taken, and nobody ever accepts: whoever else knocks hears nothing.
        using var first = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await first.ConnectAsync(busy.LocalEndPoint!);
        using var http = new ProviderHttp(TimeProvider.System);
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://{busy.LocalEndPoint}");
        request.Content = new StringContent("");
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));

        var answer = await http.SendAsync(request, deadline.Token);

        Assert.IsType<ProviderAnswer.NotSent>(answer);
        Assert.False(deadline.IsCancellationRequested);
    }

    [Theory]
    [InlineData("NaN")]
    [InlineData("Infinity")]
    [InlineData("-Infinity")]
    [InlineData("∞")]
    public void A_wait_that_is_no_number_of_seconds_is_none_that_was_said(string wait)
    {
        using var response = new HttpResponseMessage(HttpStatusCode.TooManyRequests);
        response.Headers.TryAddWithoutValidation("Retry-After", wait);

        Assert.Equal(RetryAfter.Unsaid, RetryAfter.Of(response, TimeProvider.System));
    }
}
