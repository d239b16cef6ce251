using M3.Client.Auth;

/// <summary>A worker that only needs its token again and again, as one does that calls all the time. Arguments: "tokens", Redis or "none", the folder of the Data Protection keys.</summary>
internal static class TokenLoop
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    public static async Task RunAsync(string redis, string ring)
    {
        var sharing = new M3AuthRedisOptions();
        sharing.UseKeysIn(ring, "the fleet");
        await using RedisSharedState? shared = redis == "none" ? null : await RedisSharedState.ConnectAsync(redis, sharing);
        M3AuthOptions options = M3AuthOptions.FromEnvironment();
        options.SharedState = shared;
        using var tokens = new M3TokenProvider(options);
        await tokens.GetTokenAsync();
        Console.WriteLine("ready");
        Task<string?> stopped = Task.Run(Console.ReadLine);
        int failed = 0;
        using var timer = new PeriodicTimer(Pause);
        do
        {
            try
            {
                await tokens.GetTokenAsync();
            }
            catch (M3AuthException)
            {
                failed++;
            }
        }
        while (!stopped.IsCompleted && await timer.WaitForNextTickAsync());
        Console.WriteLine($"failed {failed}");
    }
}
