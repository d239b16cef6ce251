namespace M3.Client.Auth;

/// <summary>How long before its expiry a token is renewed: a minute, but never more than a fifth of what is left, since short tokens are to be used, too.</summary>
internal static class RenewalMargin
{
    /// <summary>How much longer than that it may be by chance, so that processes which started together do not ask together.</summary>
    public const double Jitter = 0.1;

    private static readonly TimeSpan Ahead = TimeSpan.FromMinutes(1);

    public static TimeSpan Of(TimeSpan left) => left / 5 < Ahead ? left / 5 : Ahead;

    /// <summary>The longest that it may be.</summary>
    public static TimeSpan LongestOf(TimeSpan left) => Of(left) * (1 + Jitter);
}
