// A script as a person who is signed in may write it: its one argument is M3's address. At each line it calls M3 once, so that several
// begin together and one can go on for as long as a test likes, and says what came of it: the status, or the error with its remedy, and
// then all that was logged. With a second argument it calls at once, and leaves at a line, whatever has come of its call.
using System.Text;
using M3.Client.Auth;

const string initialize =
    """
    {"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"script","version":"1"}}}
    """;

using HttpClient client = M3HttpClient.Create(new Uri(args[0]));
client.DefaultRequestHeaders.Accept.ParseAdd("application/json");
client.DefaultRequestHeaders.Accept.ParseAdd("text/event-stream");
if (args.Length > 1)
{
    _ = client.GetAsync("");
    _ = Console.ReadLine();
    return;
}

Console.WriteLine("ready");
while (Console.ReadLine() is not null)
{
    try
    {
        using var request = new StringContent(initialize, Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await client.PostAsync("", request);
        Console.WriteLine((int)response.StatusCode);
    }
    catch (M3AuthException e)
    {
        Console.WriteLine($"{e.Error}: {e.Remedy}");
        Console.Error.WriteLine(e);
    }
}
