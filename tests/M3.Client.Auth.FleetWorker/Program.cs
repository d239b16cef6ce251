// One worker of a fleet: so many callers that call M3's tool again and again under a budget in Redis, until standard input says to stop. Arguments: M3's address,
// Redis, the limit, its window in milliseconds, the callers, the first call's number, how many permits to reserve ahead, and "reject" to have calls fail rather than wait.
// Prints at the end what came of them, in one line of JSON. With "tokens" it is another kind of worker, see TokenLoop.
using System.Diagnostics;
using System.Globalization;
using System.Text;
using M3.Client.Auth;

if (args[0] == "tokens")
{
    await TokenLoop.RunAsync(args[1], args[2]);
    return;
}

int limit = Number(2), windowMilliseconds = Number(3), callers = Number(4), nextId = Number(5), ahead = Number(6);
await using RedisSharedState shared = await RedisSharedState.ConnectAsync(args[1], new M3AuthRedisOptions
{
    ReserveAhead = ahead,
    LongestHold = TimeSpan.FromSeconds(10),
    RecoveryTime = TimeSpan.FromSeconds(2),
    Timeout = TimeSpan.FromSeconds(1),
});
M3AuthOptions options = M3AuthOptions.FromEnvironment();
options.SharedState = shared;
(options.RateLimitRequests, options.RateLimitWindow) = (limit, TimeSpan.FromMilliseconds(windowMilliseconds));
options.RateLimitMode = args.Contains("reject") ? RateLimitMode.Reject : RateLimitMode.Wait;
using HttpClient client = M3HttpClient.Create(new Uri(args[0]), options);
client.Timeout = Timeout.InfiniteTimeSpan;
using var stop = new CancellationTokenSource();
int answered = 0, refusedByServer = 0, refusedHere = 0, failed = 0;
long longestTicks = 0;
string lastError = "";
Console.WriteLine("ready");
_ = Console.ReadLine();
Task[] calling = [.. Enumerable.Range(0, callers).Select(_ => Task.Run(CallAsync))];
_ = Console.ReadLine();
await stop.CancelAsync();
await Task.WhenAll(calling);
Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $$"""{"answered":{{answered}},"refusedByServer":{{refusedByServer}},"refusedHere":{{refusedHere}},"failed":{{failed}},"longestMilliseconds":{{longestTicks * 1000 / Stopwatch.Frequency}},"error":"{{lastError}}"}"""));

async Task CallAsync()
{
    while (!stop.IsCancellationRequested)
    {
        long begin = Stopwatch.GetTimestamp();
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "");
            request.Headers.Accept.ParseAdd("application/json");
            request.Headers.Accept.ParseAdd("text/event-stream");
            request.Content = new StringContent(
                $$$"""{"jsonrpc":"2.0","id":{{{Interlocked.Increment(ref nextId)}}},"method":"tools/call","params":{"name":"any"}}""", Encoding.UTF8, "application/json");
            using HttpResponseMessage response = await client.SendAsync(request, stop.Token);
            string text = await response.Content.ReadAsStringAsync(CancellationToken.None);
            if (text.Contains("Rate limit exceeded", StringComparison.Ordinal))
                Interlocked.Increment(ref refusedByServer);
            else
                Interlocked.Increment(ref answered);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return;
        }
        catch (RateLimitExceededException e)
        {
            Interlocked.Increment(ref refusedHere);
            await Task.Delay(e.RetryAfter is { } wait && wait < TimeSpan.FromMilliseconds(200) ? wait : TimeSpan.FromMilliseconds(200));
        }
        catch (Exception e)
        {
            Interlocked.Increment(ref failed);
            lastError = $"{e.GetType().Name}: {e.Message.Replace('"', ' ')}";
            await Task.Delay(100);
        }

        Longest(Stopwatch.GetTimestamp() - begin);
    }
}

void Longest(long ticks)
{
    long known;
    while (ticks > (known = Volatile.Read(ref longestTicks)) && Interlocked.CompareExchange(ref longestTicks, ticks, known) != known)
    {
        // Somebody else has waited longer meanwhile.
    }
}

int Number(int index) => int.Parse(args[index], CultureInfo.InvariantCulture);
