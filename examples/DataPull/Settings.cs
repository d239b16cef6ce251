using LocalM3;
using M3.Client.Auth;

namespace DataPull;

/// <summary>How tokens for the stand-in are come by; nothing in the environment has a say in it.</summary>
internal static class Settings
{
    // M3's own 100 an hour would let 5,000 rows through, and then nobody would stay to watch.
    private const int LocalRequests = 1_000_000;

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
}
