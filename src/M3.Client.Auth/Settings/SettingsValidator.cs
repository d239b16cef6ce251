using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth;

/// <summary>What must be true of the settings before anything is built on them. Every failure is told at once, under the setting's name.</summary>
internal static class SettingsValidator
{
    private const int MostRequests = 1_000_000;
    private static readonly TimeSpan LongestTtl = TimeSpan.FromDays(365);
    private static readonly TimeSpan LongestWindow = TimeSpan.FromDays(30);

    /// <summary>A validated copy for a token provider: everything counts.</summary>
    /// <exception cref="OptionsValidationException">The settings are wrong.</exception>
    public static M3AuthOptions CopyForProvider(M3AuthOptions options)
    {
        M3AuthOptions copy = options.Copy();
        return ThrowIfAny(FindFailures(copy, areTokensOurs: true), copy);
    }

    /// <summary>A validated copy for a handler whose tokens come from elsewhere: who issues them is not its business.</summary>
    /// <exception cref="OptionsValidationException">The settings are wrong.</exception>
    public static M3AuthOptions CopyForSending(M3AuthOptions options)
    {
        M3AuthOptions copy = options.Copy();
        return ThrowIfAny(FindFailures(copy, areTokensOurs: false), copy);
    }

    /// <summary>All that is wrong.</summary>
    /// <param name="options">The settings.</param>
    /// <param name="areTokensOurs">Whether this library's provider gets the tokens, so that it must be told from whom.</param>
    public static List<string> FindFailures(M3AuthOptions options, bool areTokensOurs)
    {
        List<string> failures = [];
        if (!options.Enabled)
            return failures;

        if (areTokensOurs)
            CheckIssuance(options, failures);
        CheckSending(options, failures);
        return failures;
    }

    private static M3AuthOptions ThrowIfAny(List<string> failures, M3AuthOptions options) => failures.Count == 0
        ? options
        : throw new OptionsValidationException(nameof(M3AuthOptions), typeof(M3AuthOptions), failures) { HelpLink = HelpLinks.To(HelpLinks.Settings) };

    private static void CheckIssuance(M3AuthOptions options, List<string> failures)
    {
        string prefix = options.Prefix;
        if (string.IsNullOrWhiteSpace(options.IssuerUrl))
            failures.Add($"{prefix}ISSUER_URL is required when OAuth2 is enabled");
        else if (!IsIssuer(options.IssuerUrl, out Uri? issuer))
            failures.Add($"{prefix}ISSUER_URL must be an absolute URL without white space, query or fragment, but is {Printable.Quote(options.IssuerUrl)}");
        else if (options.JwksUrl is null && !Backchannel.MayReach(issuer))
            failures.Add($"{prefix}ISSUER_URL must use https (http only on loopback), but is {Printable.Quote(options.IssuerUrl)}");

        if (string.IsNullOrWhiteSpace(options.Audience))
            failures.Add($"{prefix}AUDIENCE is required when OAuth2 is enabled");

        // The other way round it is nothing wrong: there are clients without a secret.
        if (string.IsNullOrWhiteSpace(options.ClientId) && (options.ClientSecret ?? options.ClientSecretFile) is not null)
            failures.Add($"{prefix}CLIENT_ID is required when {prefix}CLIENT_SECRET{(options.ClientSecret is null ? "_FILE" : "")} is set");

        foreach (string scope in options.RequiredScopes)
        {
            if (string.IsNullOrWhiteSpace(scope) || scope.Any(char.IsWhiteSpace))
                failures.Add($"{prefix}REQUIRED_SCOPES must be scopes without white space inside, but one is {Printable.Quote(scope)}");
        }

        if (options.JwksUrl is { } jwks && (!jwks.IsAbsoluteUri || !Backchannel.MayReach(jwks)))
            failures.Add($"{prefix}JWKS_URL must use https (http only on loopback), but is {Printable.Quote(jwks.OriginalString)}");

        if (FindInDuration(prefix + "JWKS_CACHE_TTL", options.JwksCacheTtl, LongestTtl) is { } ttl)
            failures.Add(ttl);
    }

    private static void CheckSending(M3AuthOptions options, List<string> failures)
    {
        string prefix = options.Prefix;
        if (options.RateLimitRequests is < 1 or > MostRequests)
        {
            failures.Add($"{prefix}RATE_LIMIT_REQUESTS must be from 1 to {MostRequests}, but is {options.RateLimitRequests} "
                + $"(to have no limit set {prefix}RATE_LIMIT_ENABLED=false)");
        }

        if (FindInDuration(prefix + "RATE_LIMIT_WINDOW", options.RateLimitWindow, LongestWindow) is { } window)
            failures.Add(window);

        if (options.RateLimitMode is not (RateLimitMode.Reject or RateLimitMode.Wait))
            failures.Add($"{nameof(M3AuthOptions.RateLimitMode)} must be Reject or Wait, but is {(int)options.RateLimitMode}");

        foreach (Uri origin in options.AllowedOrigins)
        {
            if (origin is not { IsAbsoluteUri: true, Scheme: "http" or "https" })
                failures.Add($"{prefix}ALLOWED_ORIGINS must be absolute http or https URLs, but one is {Printable.Quote(origin.OriginalString)}");
        }

        if (options.TimeProvider is null)
            failures.Add($"{nameof(M3AuthOptions.TimeProvider)} must not be null");
    }

    private static string? FindInDuration(string name, TimeSpan value, TimeSpan longest) => value > TimeSpan.Zero && value <= longest
        ? null
        : string.Create(CultureInfo.InvariantCulture, $"{name} must be more than 0 and at most {longest.TotalSeconds:0} seconds, but is {value.TotalSeconds:0.###}");

    private static bool IsIssuer(string text, [NotNullWhen(true)] out Uri? issuer) =>
        Uri.TryCreate(text, UriKind.Absolute, out issuer) && issuer.Scheme is "http" or "https"
        && issuer.Query.Length == 0 && issuer.Fragment.Length == 0 && !text.Any(char.IsWhiteSpace);
}
