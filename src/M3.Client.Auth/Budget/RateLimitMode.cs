namespace M3.Client.Auth;

/// <summary>What happens to a request beyond M3's rate limit.</summary>
public enum RateLimitMode
{
    /// <summary>It fails at once with <see cref="RateLimitExceededException"/>.</summary>
    Reject,

    /// <summary>It waits its turn, each subject's calls first come, first served; its token is checked again before it goes.</summary>
    Wait,
}
