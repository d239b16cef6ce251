using System.CommandLine;
using System.Net.Sockets;
using LocalM3;

return await CommandLine.Create().RunAsync(CommandLine.Notes, args, RunAsync);

static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
{
    LocalM3Options options = CommandLine.Read(parsed);
    try
    {
        await using LocalM3Server server = await LocalM3Server.StartAsync(options, cancellationToken);

        // All but the exports is a comment, so that the whole can be pasted into a shell.
        string prefix = server.SettingsPrefix;
        Console.WriteLine($"# LocalM3, a stand-in for {(options.M4 ? "M4" : "M3")} on this machine. Made-up rows, no real patient.");
        Console.WriteLine("# Point a client at it:");
        foreach ((string name, string value) in server.ClientEnvironment)
            Console.WriteLine($"export {name}={value}");
        Console.WriteLine($"export {prefix}CLIENT_ID={server.ClientId}");
        Console.WriteLine($"export {prefix}CLIENT_SECRET={server.ClientSecret}");
        Console.WriteLine("# Or, instead of the client's id and secret, with a token:");
        Console.WriteLine(
            $"export {prefix}TOKEN=$(curl -s {server.TokenEndpoint} -u {server.ClientId}:{server.ClientSecret} "
            + $"-d grant_type=client_credentials -d scope={Gate.RequiredScope} -d audience={server.Audience} "
            + """| sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p')""");
        Console.WriteLine("# Or, without client id, secret and token, as a person who signs in once:");
        Console.WriteLine($"#   m3-token login {server.Endpoint} --client-id {server.PublicClientId}");
        Console.WriteLine("# Ctrl+C stops it.");

        await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        return 0;
    }
    catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
    {
        return 0;
    }
    catch (SocketException e)
    {
        Console.Error.WriteLine($"Cannot listen on 127.0.0.1:{options.Port}: {e.Message}.");
        return 1;
    }
}
