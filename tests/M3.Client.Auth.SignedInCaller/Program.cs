// A script as a person who is signed in may write it: its one argument is M3's address. It waits for a line, so that several begin
// together, calls once, and says what came of it: the status, or the error with its remedy, and then all that was logged. With a second
// argument it calls at once, and leaves at a line, whatever has come of its call.
using M3.Client.Auth;

using HttpClient client = M3HttpClient.Create(new Uri(args[0]));
if (args.Length > 1)
{
    _ = client.GetAsync("");
    _ = Console.ReadLine();
    return;
}

Console.WriteLine("ready");
_ = Console.ReadLine();
try
{
    using HttpResponseMessage response = await client.GetAsync("");
    Console.WriteLine((int)response.StatusCode);
}
catch (M3AuthException e)
{
    Console.WriteLine($"{e.Error}: {e.Remedy}");
    Console.Error.WriteLine(e);
}
