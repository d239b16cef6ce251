using LocalM3;
using M3.Client.Auth;

namespace DataPull;

/// <summary>Where M3 is, and how its tokens are come by.</summary>
internal static class Settings
{
    // M3's own 100 an hour would let 5,000 rows through, and then nobody would stay to watch.
    private const int LocalRequests = 1_000_000;

    /// <summary>M3's address, null when none is set, and the settings from this process's environment.</summary>
    /// <exception cref="UsageException">The address is no good.</exception>
    public static (Uri? M3, M3AuthOptions Options) Read()
    {
        string? url = Environment.GetEnvironmentVariable("M3_URL");
        if (string.IsNullOrWhiteSpace(url))
            return (null, new M3AuthOptions());
        return Uri.TryCreate(url, UriKind.Absolute, out Uri? m3) && m3.Scheme is "http" or "https"
            ? (m3, M3AuthOptions.FromEnvironment())
            : throw new UsageException($"M3_URL must be an absolute http or https URL, but is {Echo.Quote(url)}.");
    }

    /// <summary>The stand-in's; nothing in the environment has a say in them.</summary>
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
