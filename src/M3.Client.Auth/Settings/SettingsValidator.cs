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
        if (string.IsNullOrWhiteSpace(options.IssuerUrl))
            failures.Add(Required("ISSUER_URL", options));
        else if (!IsIssuer(options.IssuerUrl, out Uri? issuer))
            failures.Add($"{options.NameOf("ISSUER_URL")} must be an absolute URL without white space, query or fragment, but is {Printable.Quote(options.IssuerUrl)}");
        else if (options.JwksUrl is null && !Backchannel.MayReach(issuer))
            failures.Add($"{options.NameOf("ISSUER_URL")} must use https (http only on loopback), but is {Printable.Quote(options.IssuerUrl)}");

        if (string.IsNullOrWhiteSpace(options.Audience))
            failures.Add(Required("AUDIENCE", options));

        // The other way round it is nothing wrong: there are clients without a secret.
        string[] credentials = [.. FindCredentials(options).Select(options.NameOf)];
        if (string.IsNullOrWhiteSpace(options.ClientId) && credentials.Length > 0)
            failures.Add($"{options.NameOf("CLIENT_ID")} is required when {credentials[0]} is set");
        if (credentials.Length > 1)
            failures.Add($"{string.Join(" and ", credentials)} are set, and a client proves itself by one of them: leave the others out");

        if (options.Resource is { } resource && !IsResource(resource))
            failures.Add($"{options.NameOf("RESOURCE")} must be an absolute URI without white space or fragment, but is {Printable.Quote(resource)}");

        // Never the value: an argument may be a secret.
        if (options.TokenCommand is { } command)
        {
            string[]? words = CommandLine.Split(command);
            if (words is null)
                failures.Add($"{options.NameOf("TOKEN_COMMAND")} has a quotation mark that is not closed (its value is not shown)");
            else if (words is [] || string.IsNullOrWhiteSpace(words[0]))
                failures.Add($"{options.NameOf("TOKEN_COMMAND")} must begin with the name of a program (its value is not shown)");
        }

        foreach (string scope in options.RequiredScopes)
        {
            if (string.IsNullOrWhiteSpace(scope) || scope.Any(char.IsWhiteSpace))
                failures.Add($"{options.NameOf("REQUIRED_SCOPES")} must be scopes without white space inside, but one is {Printable.Quote(scope)}");
        }

        if (options.JwksUrl is { } jwks && (!jwks.IsAbsoluteUri || !Backchannel.MayReach(jwks)))
            failures.Add($"{options.NameOf("JWKS_URL")} must use https (http only on loopback), but is {Printable.Quote(jwks.OriginalString)}");

        if (FindInDuration(options.NameOf("JWKS_CACHE_TTL"), options.JwksCacheTtl, LongestTtl) is { } ttl)
            failures.Add(ttl);
    }

    // A secret itself comes before one in a file.
    private static IEnumerable<string> FindCredentials(M3AuthOptions options)
    {
        if ((options.ClientSecret ?? options.ClientSecretFile) is not null)
            yield return options.ClientSecret is null ? "CLIENT_SECRET_FILE" : "CLIENT_SECRET";
        if (options.ClientKeyFile is not null)
            yield return "CLIENT_KEY_FILE";
        if (options.ClientAssertionFile is not null)
            yield return "CLIENT_ASSERTION_FILE";
    }

    private static void CheckSending(M3AuthOptions options, List<string> failures)
    {
        if (options.RateLimitRequests is < 1 or > MostRequests)
        {
            failures.Add($"{options.NameOf("RATE_LIMIT_REQUESTS")} must be from 1 to {MostRequests}, but is {options.RateLimitRequests} "
                + $"(to have no limit set {options.NameOf("RATE_LIMIT_ENABLED")}=false)");
        }

        if (FindInDuration(options.NameOf("RATE_LIMIT_WINDOW"), options.RateLimitWindow, LongestWindow) is { } window)
            failures.Add(window);

        if (options.RateLimitMode is not (RateLimitMode.Reject or RateLimitMode.Wait))
            failures.Add($"{options.NameOf("RATE_LIMIT_MODE")} must be Reject or Wait, but is {(int)options.RateLimitMode}");

        foreach (Uri origin in options.AllowedOrigins)
        {
            if (origin is not { IsAbsoluteUri: true, Scheme: "http" or "https" })
                failures.Add($"{options.NameOf("ALLOWED_ORIGINS")} must be absolute http or https URLs, but one is {Printable.Quote(origin.OriginalString)}");
        }

        if (options.TimeProvider is null)
            failures.Add($"{nameof(M3AuthOptions.TimeProvider)} must not be null");
    }

    // M3's own sentence; whoever has a section may write it there.
    private static string Required(string name, M3AuthOptions options) => $"{options.Prefix}{name} is required when OAuth2 is enabled"
        + (options.Section is { } section ? $" (in the section: {SettingsSource.In(section).NameOf(name)})" : "");

    private static string? FindInDuration(string name, TimeSpan value, TimeSpan longest) => value > TimeSpan.Zero && value <= longest
        ? null
        : string.Create(CultureInfo.InvariantCulture, $"{name} must be more than 0 and at most {longest.TotalSeconds:0} seconds, but is {value.TotalSeconds:0.###}");

    // RFC 8707, section 2. On Unix a path counts as an absolute URI of a file.
    private static bool IsResource(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && text.StartsWith(uri.Scheme + ':', StringComparison.OrdinalIgnoreCase)
        && !text.Contains('#', StringComparison.Ordinal) && !text.Any(char.IsWhiteSpace);

    /// <summary>Whether a text can be an issuer's name: an absolute URL without white space, query or fragment.</summary>
    public static bool IsIssuer(string text, [NotNullWhen(true)] out Uri? issuer) =>
        Uri.TryCreate(text, UriKind.Absolute, out issuer) && issuer.Scheme is "http" or "https"
        && issuer.Query.Length == 0 && issuer.Fragment.Length == 0 && !text.Any(char.IsWhiteSpace);
}
