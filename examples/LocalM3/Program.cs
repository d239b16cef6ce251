using System.Net.Sockets;
using System.Runtime.InteropServices;
using LocalM3;

if (args.Contains("--help"))
{
    Console.WriteLine(CommandLine.Help);
    return 0;
}

LocalM3Options options;
try
{
    options = CommandLine.Parse(args);
}
catch (FormatException e)
{
    Console.Error.WriteLine($"{e.Message} See --help.");
    return 2;
}

// Before the server starts, so that no signal finds the default handler and its exit code.
var stop = new TaskCompletionSource();
void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.TrySetResult();
}

using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

try
{
    await using LocalM3Server server = await LocalM3Server.StartAsync(options);

    // All but the exports is a comment, so that the whole can be pasted into a shell.
    Console.WriteLine("# LocalM3, a stand-in for M3 on this machine. Made-up rows, no real patient.");
    Console.WriteLine("# Point a client at it:");
    foreach ((string name, string value) in server.ClientEnvironment)
        Console.WriteLine($"export {name}={value}");
    Console.WriteLine($"export M3_OAUTH2_CLIENT_ID={server.ClientId}");
    Console.WriteLine($"export M3_OAUTH2_CLIENT_SECRET={server.ClientSecret}");
    Console.WriteLine("# Or, instead of the client's id and secret, with a token:");
    Console.WriteLine(
        $"export M3_OAUTH2_TOKEN=$(curl -s {server.TokenEndpoint} -u {server.ClientId}:{server.ClientSecret} "
        + $"-d grant_type=client_credentials -d scope={Gate.RequiredScope} -d audience={server.Audience} "
        + """| sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p')""");
    Console.WriteLine("# Ctrl+C stops it.");

    await stop.Task;
    return 0;
}
catch (SocketException e)
{
    Console.Error.WriteLine($"Cannot listen on 127.0.0.1:{options.Port}: {e.Message}.");
    return 1;
}
