using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth;

/// <summary>Reads M3's flat setting names into options, by M3's rules; collects everything that cannot be understood.</summary>
internal sealed class SettingsReader
{
    private static readonly char[] Separators = [',', ' ', '\t', '\r', '\n'];

    private readonly IConfiguration _configuration;
    private readonly string _prefix;
    private readonly List<string> _failures = [];

    private SettingsReader(IConfiguration configuration, string prefix)
    {
        _configuration = configuration;
        _prefix = prefix;
    }

    /// <summary>Overwrites the options with every setting that is present.</summary>
    /// <exception cref="OptionsValidationException">One line for each value that cannot be understood.</exception>
    public static void Read(IConfiguration configuration, string prefix, M3AuthOptions options)
    {
        options.Prefix = prefix;
        var reader = new SettingsReader(configuration, prefix);
        reader.ReadInto(options);
        if (reader._failures.Count > 0)
            throw new OptionsValidationException(nameof(M3AuthOptions), typeof(M3AuthOptions), reader._failures);
    }

    private void ReadInto(M3AuthOptions options)
    {
        // M3's rule: "true" in any case is on, whatever else is set is off.
        if (_configuration[_prefix + "ENABLED"] is { } enabled)
            options.Enabled = enabled.Equals("true", StringComparison.OrdinalIgnoreCase);

        options.IssuerUrl = Text("ISSUER_URL") ?? options.IssuerUrl;
        options.Audience = Text("AUDIENCE") ?? options.Audience;
        if (_configuration[_prefix + "REQUIRED_SCOPES"] is { } scopes)
        {
            options.RequiredScopes.Clear();
            options.RequiredScopes.UnionWith(Split(scopes));
        }

        options.JwksUrl = Url("JWKS_URL", Text("JWKS_URL")) ?? options.JwksUrl;
        options.JwksCacheTtl = Seconds("JWKS_CACHE_TTL") ?? options.JwksCacheTtl;

        options.RateLimitEnabled = Switch("RATE_LIMIT_ENABLED") ?? options.RateLimitEnabled;
        options.RateLimitRequests = Number("RATE_LIMIT_REQUESTS", "a positive whole number") ?? options.RateLimitRequests;
        options.RateLimitWindow = Seconds("RATE_LIMIT_WINDOW") ?? options.RateLimitWindow;

        options.TokenFile = Text("TOKEN_FILE") ?? options.TokenFile;
        options.ClientId = Text("CLIENT_ID") ?? options.ClientId;
        options.ClientSecret = Text("CLIENT_SECRET") ?? options.ClientSecret;
        options.ClientSecretFile = Text("CLIENT_SECRET_FILE") ?? options.ClientSecretFile;

        if (Text("ALLOWED_ORIGINS") is { } origins)
        {
            options.AllowedOrigins.Clear();
            foreach (string origin in Split(origins))
            {
                if (Url("ALLOWED_ORIGINS", origin) is { } url)
                    options.AllowedOrigins.Add(url);
            }
        }

        options.RequireHttps = Switch("REQUIRE_HTTPS") ?? options.RequireHttps;
        options.ValidateSignature = Switch("VALIDATE_SIGNATURE") ?? options.ValidateSignature;
        options.ValidateLifetime = Switch("VALIDATE_EXP") ?? options.ValidateLifetime;
        options.ValidateAudience = Switch("VALIDATE_AUD") ?? options.ValidateAudience;
        options.ValidateIssuer = Switch("VALIDATE_ISS") ?? options.ValidateIssuer;
        options.Debug = Switch("DEBUG") ?? options.Debug;
    }

    // Empty counts as not set.
    private string? Text(string name) => _configuration[_prefix + name] is { } value && !string.IsNullOrWhiteSpace(value) ? value : null;

    private bool? Switch(string name)
    {
        string? value = Text(name)?.Trim();
        if (value is null || bool.TryParse(value, out _))
            return value is null ? null : bool.Parse(value);
        Fail(name, "true or false", value);
        return null;
    }

    private TimeSpan? Seconds(string name) =>
        Number(name, "a positive whole number of seconds") is { } seconds ? TimeSpan.FromSeconds(seconds) : null;

    private int? Number(string name, string kind)
    {
        string? value = Text(name)?.Trim();
        if (value is null)
            return null;
        if (int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0)
            return number;
        Fail(name, kind, value);
        return null;
    }

    private Uri? Url(string name, string? value)
    {
        if (value is null || Uri.TryCreate(value, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https")
            return value is null ? null : new Uri(value);
        Fail(name, "an absolute URL such as https://host/path", value);
        return null;
    }

    private void Fail(string name, string expected, string value) =>
        _failures.Add($"{_prefix}{name} must be {expected}, but is {Printable.Quote(value)}");

    private static string[] Split(string value) => value.Split(Separators, StringSplitOptions.RemoveEmptyEntries);
}
