using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace M3.Client.Auth.IntegrationTests.Support;

/// <summary>One of the examples, or the tool, as a process of its own, as a user starts it.</summary>
internal sealed class Example : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _process;

    private Example(Process process) => _process = process;

    /// <summary>Starts a program that was built together with the tests.</summary>
    public static Example Start(string name, IEnumerable<KeyValuePair<string, string>>? environment = null, params string[] arguments) =>
        StartIn("", name, environment, arguments);

    /// <summary>Starts it in a folder, where it may write.</summary>
    public static Example StartIn(string folder, string name, IEnumerable<KeyValuePair<string, string>>? environment = null, params string[] arguments) =>
        StartDotnet(["exec", FindProgram($"examples/{name}", name), .. arguments], environment, folder);

    /// <summary>Starts a helper of the tests.</summary>
    public static Example StartHelper(string name, IEnumerable<KeyValuePair<string, string>>? environment = null, params string[] arguments) =>
        StartDotnet(["exec", FindProgram($"tests/{name}", name), .. arguments], environment);

    /// <summary>Starts the tool.</summary>
    public static Example StartTool(IEnumerable<KeyValuePair<string, string>>? environment = null, params string[] arguments) =>
        StartDotnet(["exec", ToolProgram, .. arguments], environment);

    /// <summary>Where the tool's assembly is.</summary>
    public static string ToolProgram => FindProgram("src/M3.Client.Auth.Tool", "m3-token");

    /// <summary>Starts <c>dotnet</c> itself.</summary>
    public static Example StartDotnet(IEnumerable<string> arguments, IEnumerable<KeyValuePair<string, string>>? environment = null, string folder = "") =>
        StartProgram(Dotnet, arguments, environment, folder);

    /// <summary>The <c>dotnet</c> that runs the tests.</summary>
    public static string Dotnet => Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    /// <summary>Starts any program.</summary>
    public static Example StartProgram(string program, IEnumerable<string> arguments, IEnumerable<KeyValuePair<string, string>>? environment = null, string folder = "")
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // A test that sets variables of its own may be running beside this one.
        foreach (string variable in start.Environment.Keys.Where(key => key.StartsWith("M3_", StringComparison.Ordinal)).ToArray())
            start.Environment.Remove(variable);
        // No test opens a window on somebody's screen.
        foreach (string variable in (string[])["BROWSER", "DISPLAY", "WAYLAND_DISPLAY"])
            start.Environment.Remove(variable);
        start.Environment["M3_SIGN_IN_DIRECTORY"] = CleanEnvironment.NoSignIns;
        foreach ((string variable, string value) in environment ?? [])
            start.Environment[variable] = value;
        return new Example(Process.Start(start)!);
    }

    public static async Task<ExampleResult> RunToolAsync(IEnumerable<KeyValuePair<string, string>>? environment = null, params string[] arguments)
    {
        await using Example tool = StartTool(environment, arguments);
        return await tool.FinishAsync();
    }

    public static async Task<ExampleResult> RunAsync(string name, IEnumerable<KeyValuePair<string, string>>? environment = null, params string[] arguments)
    {
        await using Example example = Start(name, environment, arguments);
        return await example.FinishAsync();
    }

    /// <summary>Writes to its standard input, and closes it.</summary>
    public async Task PipeAsync(string text)
    {
        await _process.StandardInput.WriteAsync(text);
        _process.StandardInput.Close();
    }

    /// <summary>Writes to its standard input, as somebody who may write more.</summary>
    public async Task TypeAsync(string text)
    {
        await _process.StandardInput.WriteAsync(text);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Waits for its end.</summary>
    public async Task<ExampleResult> FinishAsync(TimeSpan? atMost = null)
    {
        using var patience = new CancellationTokenSource(atMost ?? Patience);
        Task<string> output = _process.StandardOutput.ReadToEndAsync(patience.Token);
        Task<string> error = _process.StandardError.ReadToEndAsync(patience.Token);
        await _process.WaitForExitAsync(patience.Token);
        return new ExampleResult(_process.ExitCode, await output, await error);
    }

    /// <summary>Reads its output line by line until one matches.</summary>
    public Task<List<string>> ReadUntilAsync(Predicate<string> last) => ReadUntilAsync(_process.StandardOutput, last);

    /// <summary>Reads what it says beside its output line by line until one matches.</summary>
    public Task<List<string>> ReadErrorUntilAsync(Predicate<string> last) => ReadUntilAsync(_process.StandardError, last);

    private static async Task<List<string>> ReadUntilAsync(StreamReader reader, Predicate<string> last)
    {
        using var patience = new CancellationTokenSource(Patience);
        List<string> lines = [];
        do
        {
            lines.Add(await reader.ReadLineAsync(patience.Token) ?? throw new EndOfStreamException(string.Join('\n', lines)));
        }
        while (!last(lines[^1]));
        return lines;
    }

    /// <summary>What Ctrl+C does.</summary>
    public void Interrupt() => Signal(2);

    /// <summary>What a system does that shuts down.</summary>
    public void Terminate() => Signal(15);

    /// <summary>Any other signal, by its number on Linux.</summary>
    public void Send(int signal) => Signal(signal);

    /// <summary>What kill -9 does: not one more instruction.</summary>
    public void Kill() => _process.Kill();

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            // "dotnet run" has the program as its child.
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    // All are built to bin/CONFIGURATION/FRAMEWORK of their project.
    private static string FindProgram(string project, string name)
    {
        string here = AppContext.BaseDirectory;
        string bin = Path.GetRelativePath(Path.Combine(here, "../../.."), here);
        return Path.GetFullPath(Path.Combine(here, "../../../../..", project, bin, $"{name}.dll"));
    }

    private void Signal(int signal)
    {
        if (Kill(_process.Id, signal) != 0)
            throw new Win32Exception();
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int Kill(int process, int signal);
}

internal sealed record ExampleResult(int ExitCode, string Output, string Error)
{
    /// <summary>Everything that it printed.</summary>
    public string All => Output + Error;
}
