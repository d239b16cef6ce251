using LocalM3;
using M3.Client.Auth;
using Microsoft.Extensions.Options;

namespace DataPull;

/// <summary>What a pull is set up with beside the library's own settings.</summary>
internal static class Settings
{
    // M3's own 100 an hour would let 5,000 rows through, and then nobody would stay to watch.
    private const int LocalRequests = 1_000_000;

    /// <summary>How tokens for the stand-in are come by; nothing in the environment has a say in it.</summary>
    public static M3AuthOptions For(LocalM3Server local)
    {
        Screen.Note($"LocalM3, a stand-in for M3 with made-up rows, runs at {local.Endpoint}");
        Screen.Note($"Its rate limit is set to {LocalRequests} calls an hour, so that the pull ends soon; M3's own is 100.");
        return new M3AuthOptions
        {
            IssuerUrl = local.IssuerUrl,
            Audience = local.Audience,
            ClientId = local.ClientId,
            ClientSecret = local.ClientSecret,
            RateLimitRequests = LocalRequests,
        };
    }

    /// <summary>The budget that all have who name the same Redis; null where none is named.</summary>
    /// <exception cref="UsageException">What names it is not understood.</exception>
    public static async Task<RedisSharedState?> ShareAsync(string? redis)
    {
        try
        {
            return redis is null ? null : await RedisSharedState.ConnectAsync(redis);
        }
        catch (OptionsValidationException e)
        {
            // The library repeats nothing of it: there may be a password.
            throw new UsageException($"--redis or M3_REDIS: {string.Join(' ', e.Failures)}.");
        }
    }
}
