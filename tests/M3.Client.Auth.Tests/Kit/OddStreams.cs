namespace M3.Client.Auth.Tests.Kit;

/// <summary>What a body comes out of: read forwards, and never at once.</summary>
internal abstract class ReadStream : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("read asynchronously");

    public override void Flush() => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}

/// <summary>Spaces, for as long as anybody reads; 64 MiB show well enough that nobody stops.</summary>
internal sealed class EndlessStream : ReadStream
{
    public long Given { get; private set; }

    public bool IsDisposed { get; private set; }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        buffer.Span.Fill((byte)' ');
        Given += buffer.Length;
        if (Given > 64 * 1024 * 1024)
            throw new InvalidOperationException("nobody stops reading");
        return new(buffer.Length);
    }

    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }
}

/// <summary>A byte for each <see cref="Drip"/>, whether or not the reader has lost patience.</summary>
internal sealed class DrippingStream : ReadStream
{
    private readonly Lock _gate = new();
    private TaskCompletionSource? _next;

    public bool IsWaiting
    {
        get
        {
            lock (_gate)
                return _next is not null;
        }
    }

    public void Drip()
    {
        TaskCompletionSource? next;
        lock (_gate)
            (next, _next) = (_next, null);
        next?.SetResult();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Task next;
        lock (_gate)
            next = (_next ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        await next;
        buffer.Span[0] = (byte)' ';
        return 1;
    }
}
