namespace DataPull;

/// <summary>A part that was pulled to its end, here or on another machine.</summary>
/// <param name="Part">Which one.</param>
/// <param name="Rows">How many rows it has,</param>
/// <param name="File">in which file,</param>
/// <param name="Begin">from which byte on,</param>
/// <param name="End">and to which.</param>
internal sealed record FinishedPart(Part Part, long Rows, string File, long Begin, long End)
{
    /// <summary>Copies its rows, without what stands before the first.</summary>
    public void CopyTo(Stream stream, CancellationToken cancellationToken)
    {
        // Not shared: nobody may be pulling it still.
        using var file = new FileStream(File, FileMode.Open, FileAccess.Read, FileShare.None, bufferSize: 0);
        file.Position = Begin;
        byte[] buffer = new byte[1 << 20];
        while (file.Position < End)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int length = (int)Math.Min(buffer.Length, End - file.Position);
            file.ReadExactly(buffer, 0, length);
            stream.Write(buffer, 0, length);
        }
    }
}
