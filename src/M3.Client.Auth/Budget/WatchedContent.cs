using System.Net;

namespace M3.Client.Auth;

/// <summary>An event stream that gives its call's permit back when it ends or is disposed; one that nobody ends counts as ended a window after its headers.</summary>
internal sealed class WatchedContent : HttpContent
{
    private readonly HttpContent _inner;
    private readonly Permit _permit;
    private readonly ITimer _abandoned;
    private bool _hasEnded;

    public WatchedContent(HttpContent inner, in Permit permit, TimeProvider timeProvider)
    {
        (_inner, _permit) = (inner, permit);
        foreach ((string name, IEnumerable<string> values) in inner.Headers)
            Headers.TryAddWithoutValidation(name, values);
        _abandoned = timeProvider.CreateTimer(static content => ((WatchedContent)content!).End(hasBrokenOff: false), this, permit.Pool.Window, Timeout.InfiniteTimeSpan);
    }

    protected override Task<Stream> CreateContentReadStreamAsync() => CreateContentReadStreamAsync(CancellationToken.None);

    protected override async Task<Stream> CreateContentReadStreamAsync(CancellationToken cancellationToken) =>
        new WatchedStream(await _inner.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false), End);

    protected override Stream CreateContentReadStream(CancellationToken cancellationToken) =>
        new WatchedStream(_inner.ReadAsStream(cancellationToken), End);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        try
        {
            await _inner.CopyToAsync(stream, context, cancellationToken).ConfigureAwait(false);
            End(hasBrokenOff: false);
        }
        catch
        {
            End(hasBrokenOff: true);
            throw;
        }
    }

    protected override void SerializeToStream(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        try
        {
            _inner.CopyTo(stream, context, cancellationToken);
            End(hasBrokenOff: false);
        }
        catch
        {
            End(hasBrokenOff: true);
            throw;
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _inner.Dispose();
            End(hasBrokenOff: false);
        }

        base.Dispose(disposing);
    }

    private void End(bool hasBrokenOff)
    {
        if (Interlocked.Exchange(ref _hasEnded, true))
            return;
        _permit.Pool.Release(_permit, hasBrokenOff ? AnswerEnd.Grace : TimeSpan.Zero);
        _abandoned.Dispose();
    }
}
