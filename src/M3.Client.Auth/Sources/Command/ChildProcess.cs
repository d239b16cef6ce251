using System.ComponentModel;
using System.Diagnostics;

namespace M3.Client.Auth;

/// <summary>What a program that has ended said.</summary>
/// <param name="exitCode">What it ended with.</param>
/// <param name="output">Its standard output; null: it was more than has room, and the program was killed.</param>
/// <param name="errors">The end of its standard error.</param>
/// <param name="isCut">Whether standard error began earlier.</param>
internal sealed class ChildResult(int exitCode, byte[]? output, byte[] errors, bool isCut)
{
    public readonly int ExitCode = exitCode;

    public readonly byte[]? Output = output;

    public readonly byte[] Errors = errors;

    public readonly bool IsCut = isCut;
}

/// <summary>Runs a program without a shell: nothing to read, a bounded output, and an end for it and all that it has started.</summary>
internal static class ChildProcess
{
    public const int MaxOutput = 1024 * 1024;

    private const int MaxErrors = 4096;

    // What a program leaves running in the background may hold its output open; its own words have come by then.
    private static readonly TimeSpan LongestEcho = TimeSpan.FromSeconds(1);

    /// <param name="path">The program's file.</param>
    /// <param name="arguments">Its arguments, passed on as they are.</param>
    /// <param name="timeProvider">For the second that its output may stay open behind its end.</param>
    /// <param name="cancellationToken">Kills it and all that it has started.</param>
    /// <exception cref="Win32Exception">It cannot be started.</exception>
    public static async Task<ChildResult> RunAsync(string path, IEnumerable<string> arguments, TimeProvider timeProvider, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var start = new ProcessStartInfo(path, arguments)
        {
            UseShellExecute = false,
            CreateNoWindow = true,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        var output = new ChildOutput(process.StandardOutput.BaseStream, MaxOutput);
        var errors = new ChildOutput(process.StandardError.BaseStream, MaxErrors);
        Task readOutput = output.FillAsync(stopsWhenFull: true);
        Task read = Task.WhenAll(readOutput, errors.FillAsync(stopsWhenFull: false));
        try
        {
            process.StandardInput.Close();
            Task exit = process.WaitForExitAsync(cancellationToken);
            await Task.WhenAny(readOutput, exit).ConfigureAwait(false);
            if (output.IsCut)
                return new ChildResult(0, null, errors.Read(), errors.IsCut);
            await exit.ConfigureAwait(false);
            await Task.WhenAny(read, Task.Delay(LongestEcho, timeProvider, cancellationToken)).ConfigureAwait(false);
            return new ChildResult(process.ExitCode, output.IsCut ? null : output.Read(), errors.Read(), errors.IsCut);
        }
        finally
        {
            Kill(process);
            Detached.Abandon(read);
        }
    }

    private static void Kill(Process process)
    {
        try
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or AggregateException)
        {
            // It has ended meanwhile, or part of it has.
        }
    }
}
