using System.Buffers;

namespace M3.Client.Auth;

/// <summary>One stream of a program's output, read to its end whatever it says, with no more of it kept than has room.</summary>
/// <param name="stream">The stream.</param>
/// <param name="room">How many bytes are kept: the last ones.</param>
internal sealed class ChildOutput(Stream stream, int room)
{
    private readonly Lock _gate = new();
    private readonly ArrayBufferWriter<byte> _kept = new();
    private long _length;

    /// <summary>Whether more came than has room.</summary>
    public bool IsCut
    {
        get
        {
            lock (_gate)
                return _length > room;
        }
    }

    /// <summary>What has come so far.</summary>
    public byte[] Read()
    {
        lock (_gate)
            return _kept.WrittenSpan[Math.Max(0, _kept.WrittenCount - room)..].ToArray();
    }

    /// <param name="stopsWhenFull">Whether to stop as soon as more came than has room.</param>
    public async Task FillAsync(bool stopsWhenFull)
    {
        byte[] piece = new byte[16 * 1024];
        int read;
        while (!(stopsWhenFull && IsCut) && (read = await stream.ReadAsync(piece).ConfigureAwait(false)) > 0)
        {
            lock (_gate)
            {
                // Now and then, so that a program that never stops talking costs no memory.
                if (_kept.WrittenCount > 4 * room)
                {
                    byte[] last = _kept.WrittenSpan[^room..].ToArray();
                    _kept.ResetWrittenCount();
                    _kept.Write(last);
                }

                _kept.Write(piece.AsSpan(0, read));
                _length += read;
            }
        }
    }
}
