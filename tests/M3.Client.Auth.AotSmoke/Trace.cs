using System.Diagnostics;
using System.Globalization;
using System.Runtime;
using M3.Client.Auth;

/// <summary>A first call step by step: what each takes, and how much of that is compiling. Run with <c>--trace</c>.</summary>
internal sealed class Trace
{
    private readonly List<(string Step, TimeSpan Time, TimeSpan Compiling, long Methods)> _steps = [];
    private long _start = Stopwatch.GetTimestamp();
    private TimeSpan _compiling = JitInfo.GetCompilationTime();
    private long _methods = JitInfo.GetCompiledMethodCount();

    public static async Task RunAsync(Uri m3)
    {
        var trace = new Trace();
        // What any program that uses HttpClient pays, so that the steps after it are what the library adds.
        using (var plain = new HttpClient())
            (await plain.GetAsync(new Uri(m3, "/.well-known/openid-configuration"))).Dispose();
        trace.Mark("a plain HttpClient's first call");
        var options = M3AuthOptions.FromEnvironment();
        trace.Mark("the settings");
        using var tokens = new M3TokenProvider(options);
        trace.Mark("the provider");
        await tokens.GetTokenAsync();
        trace.Mark("the token: discovery, keys, validation");
        using var client = new HttpClient(new M3AuthHandler(tokens, options) { InnerHandler = new SocketsHttpHandler() });
        (await client.GetAsync(m3, HttpCompletionOption.ResponseHeadersRead)).Dispose();
        trace.Mark("the call");
        trace.Show();
    }

    private void Mark(string step)
    {
        TimeSpan time = Stopwatch.GetElapsedTime(_start);
        (TimeSpan compiling, long methods) = (JitInfo.GetCompilationTime(), JitInfo.GetCompiledMethodCount());
        _steps.Add((step, time, compiling - _compiling, methods - _methods));
        // From here, so that telling is not counted.
        (_start, _compiling, _methods) = (Stopwatch.GetTimestamp(), JitInfo.GetCompilationTime(), JitInfo.GetCompiledMethodCount());
    }

    private void Show()
    {
        Console.WriteLine("| step | time | of it compiling | methods |");
        Console.WriteLine("|---|---|---|---|");
        foreach ((string step, TimeSpan time, TimeSpan compiling, long methods) in _steps)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {step} | {time.TotalMilliseconds:0.0} ms | {compiling.TotalMilliseconds:0.0} ms | {methods} |"));
    }
}
