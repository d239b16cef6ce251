namespace M3.Client.Auth.Tests.Kit;

/// <summary>The end of the line where only the way there counts: one answer, without delay or allocation.</summary>
internal sealed class ImmediateHandler : HttpMessageHandler
{
    private static readonly Task<HttpResponseMessage> Answer = Task.FromResult(new HttpResponseMessage());

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => Answer;
}
