// The library in a NativeAOT program: one call to the M3 at M3_URL with the token of the environment. "--static" sends the token
// without looking at it, as the measure of what looking costs; "--trace" tells step by step where a first call's time goes.
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Runtime;
using M3.Client.Auth;

if (Environment.GetEnvironmentVariable("M3_URL") is not { } address)
{
    Console.Error.WriteLine("M3_URL is not set: it must be M3's address, such as http://localhost:3000/sse");
    return 2;
}

try
{
    if (args.Contains("--trace"))
    {
        await Trace.RunAsync(new Uri(address));
        return 0;
    }

    bool isStatic = args.Contains("--static");
    using HttpClient client = isStatic ? new HttpClient() : M3HttpClient.Create(new Uri(address));
    using var request = new HttpRequestMessage(HttpMethod.Post, address);
    request.Content = new StringContent("""{"jsonrpc":"2.0","id":1,"method":"tools/list"}""", MediaTypeHeaderValue.Parse("application/json"));
    if (isStatic)
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Environment.GetEnvironmentVariable("M3_OAUTH2_TOKEN"));

    using HttpResponseMessage response = await client.SendAsync(request);
    long methods = JitInfo.GetCompiledMethodCount();
    double milliseconds = (DateTime.Now - Process.GetCurrentProcess().StartTime).TotalMilliseconds;
    Console.WriteLine($"M3 answered {(int)response.StatusCode} after {milliseconds:0} ms, with {methods} methods compiled");
    return 0;
}
catch (M3AuthException e)
{
    Console.Error.WriteLine(e.Message);
    Console.Error.WriteLine(e.Remedy);
    return 1;
}
