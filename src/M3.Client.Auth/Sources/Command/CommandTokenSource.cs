using System.Buffers;
using System.ComponentModel;
using System.Globalization;
using System.Text;

namespace M3.Client.Auth;

/// <summary>A program that prints a token. Its arguments may hold a secret, and are named nowhere.</summary>
internal sealed class CommandTokenSource(string fileName, IReadOnlyList<string> arguments, TimeSpan timeout) : INamedTokenSource
{
    public const string WhatToDo = "Run the command of {prefix}TOKEN_COMMAND by hand, as the same user: it must print a token alone, or a JSON object with access_token, "
        + "accessToken or token, and ask nothing.";

    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(30);

    // Of standard error, its end says what went wrong.
    private const int MaxShown = 400;

    // A shorter argument is no secret, and stands in other words.
    private const int ShortestSecret = 8;

    // Windows runs a batch file by its shell, which reads these as its own.
    private static readonly SearchValues<char> ReadByShell = SearchValues.Create("\"%^&|<>!\r\n");

    public string Name => $"the command {Printable.Text(fileName)}";

    // The program's own end comes first.
    public TimeSpan Timeout => timeout + TimeSpan.FromSeconds(30);

    public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        using var overdue = new CancellationTokenSource(timeout, context.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(overdue.Token, cancellationToken);
        try
        {
            ChildResult result = await ChildProcess.RunAsync(FindProgram(), arguments, context.TimeProvider, either.Token).ConfigureAwait(false);
            if (result.Output is null)
                throw Failure($"printed more than {ChildProcess.MaxOutput / 1024 / 1024} MiB, and was killed");
            if (result.ExitCode != 0)
                throw Failure(string.Create(CultureInfo.InvariantCulture, $"ended with code {result.ExitCode}{DescribeErrors(result, context)}"), isTransient: true);
            return CommandOutput.ReadToken(result.Output, Name, context.TimeProvider.GetUtcNow());
        }
        catch (OperationCanceledException) when (overdue.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw Failure($"did not end within {Duration.Describe(timeout)}, and was killed: does it ask something, or wait for a network?", isTransient: true);
        }
        catch (Win32Exception e)
        {
            throw Failure($"cannot be run (error {e.NativeErrorCode.ToString(CultureInfo.InvariantCulture)}): is it there, a program, and executable?");
        }
    }

    // By PATH alone: the system would look in the current directory first, where anybody may have put one of that name.
    private string FindProgram()
    {
        if (Path.GetDirectoryName(fileName) is { Length: > 0 })
            return ForbidShell(Path.GetFullPath(fileName));

        string[] endings = OperatingSystem.IsWindows() && !Path.HasExtension(fileName) ? [".exe", ".com", ".cmd", ".bat"] : [""];
        foreach (string directory in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Where(Path.IsPathFullyQualified))
        {
            foreach (string ending in endings)
            {
                string path = Path.Combine(directory, fileName + ending);
                if (IsProgram(path))
                    return ForbidShell(path);
            }
        }

        throw Failure("was not found in PATH, or is not executable: install it, or name it with its whole path");
    }

    private static bool IsProgram(string path) => File.Exists(path)
        && (OperatingSystem.IsWindows() || (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0);

    private string ForbidShell(string path) =>
        Path.GetExtension(path.TrimEnd('.', ' ')).ToUpperInvariant() is ".CMD" or ".BAT" && arguments.Any(argument => argument.AsSpan().ContainsAny(ReadByShell))
            ? throw Failure("is a batch file, which Windows runs by its shell: its arguments must have none of \" % ^ & | < > ! in them")
            : path;

    // All that was kept is judged, and what is shown is the end of that: no piece of a token is left over.
    private string DescribeErrors(ChildResult result, TokenSourceContext context)
    {
        string text = Encoding.UTF8.GetString(result.Errors);
        if (result.IsCut)
            text = text[(text.AsSpan().IndexOfAny(' ', '\n') + 1)..];
        text = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        string[] hidden = [.. arguments.SelectMany(ValuesOf).Where(value => value.Length >= ShortestSecret).OrderByDescending(value => value.Length)];
        foreach (string argument in hidden)
            text = text.Replace(argument, "(an argument)", StringComparison.Ordinal);
        if (text.Length == 0)
            return "";
        string printed = Encoding.UTF8.GetString(result.Output!).Trim();
        if (Secrets.MayStandIn(text, [.. hidden, printed.Length >= ShortestSecret ? printed : null, context.ClientSecret, context.Rejected?.Value, context.Current?.Token]))
            return ", and its standard error is not shown, since a token or a secret may be in it";
        return $": {Printable.Text(text.Length > MaxShown ? "..." + text[^MaxShown..] : text, MaxShown + 3)}";
    }

    // --secret=value has one, too.
    private static string[] ValuesOf(string argument) =>
        argument.IndexOf('=', StringComparison.Ordinal) is >= 0 and int at ? [argument, argument[(at + 1)..]] : [argument];

    private TokenRequestFailedException Failure(string what, bool isTransient = false) => new($"{Name} {what}", isTransient) { Remedy = WhatToDo };
}
