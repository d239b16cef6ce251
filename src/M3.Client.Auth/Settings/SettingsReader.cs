using System.Globalization;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth;

/// <summary>Reads settings into options, by M3's rules; collects everything that cannot be understood.</summary>
internal sealed class SettingsReader
{
    private static readonly char[] Separators = [',', ' ', '\t', '\r', '\n'];

    private readonly SettingsSource _source;
    private readonly List<string> _failures = [];

    private SettingsReader(SettingsSource source) => _source = source;

    /// <summary>Overwrites the options with every setting that is present.</summary>
    /// <param name="source">Where they stand.</param>
    /// <param name="options">What to overwrite.</param>
    /// <exception cref="OptionsValidationException">One line for each value that cannot be understood.</exception>
    public static void Read(SettingsSource source, M3AuthOptions options)
    {
        var reader = new SettingsReader(source);
        reader.ReadM3s(options);
        reader.ReadOurs(options);
        if (reader._failures.Count > 0)
            throw new OptionsValidationException(nameof(M3AuthOptions), typeof(M3AuthOptions), reader._failures) { HelpLink = HelpLinks.To(HelpLinks.Settings) };
    }

    private void ReadM3s(M3AuthOptions options)
    {
        if (OnOrOff() is { } isEnabled)
            options.Enabled = isEnabled;
        if (Text("ISSUER_URL") is { } issuer)
            options.IssuerUrl = issuer;
        if (Text("AUDIENCE") is { } audience)
            options.Audience = audience;
        if (_source.Find("REQUIRED_SCOPES") is { } scopes)
        {
            options.RequiredScopes.Clear();
            options.RequiredScopes.UnionWith(Split(scopes));
        }

        if (Url("JWKS_URL", Text("JWKS_URL")) is { } jwks)
            options.JwksUrl = jwks;
        if (Seconds("JWKS_CACHE_TTL") is { } ttl)
            options.JwksCacheTtl = ttl;
        if (Switch("RATE_LIMIT_ENABLED") is { } isLimited)
            options.RateLimitEnabled = isLimited;
        if (Number("RATE_LIMIT_REQUESTS", "a positive whole number") is { } requests)
            options.RateLimitRequests = requests;
        if (Seconds("RATE_LIMIT_WINDOW") is { } window)
            options.RateLimitWindow = window;
        if (Switch("VALIDATE_EXP") is { } lifetime)
            options.ValidateLifetime = lifetime;
        if (Switch("VALIDATE_AUD") is { } validAudience)
            options.ValidateAudience = validAudience;
        if (Switch("VALIDATE_ISS") is { } validIssuer)
            options.ValidateIssuer = validIssuer;
        if (Text("CLIENT_ID") is { } id)
            options.ClientId = id;
        if (Text("CLIENT_SECRET") is { } secret)
            options.ClientSecret = secret;
        if (Switch("DEBUG") is { } debug)
            options.Debug = debug;
    }

    private void ReadOurs(M3AuthOptions options)
    {
        if (Switch("VALIDATE_SIGNATURE") is { } signature)
            options.ValidateSignature = signature;
        if (Switch("THROW_ON_REJECTION") is { } throws)
            options.ThrowOnRejection = throws;
        if (Mode() is { } mode)
            options.RateLimitMode = mode;
        if (Text("TOKEN_FILE") is { } tokenFile)
            options.TokenFile = tokenFile;
        if (Text("TOKEN_COMMAND") is { } command)
            options.TokenCommand = command;
        if (Text("CLIENT_SECRET_FILE") is { } secretFile)
            options.ClientSecretFile = secretFile;
        if (Text("CLIENT_KEY_FILE") is { } keyFile)
            options.ClientKeyFile = keyFile;
        if (Text("CLIENT_KEY_ID") is { } keyId)
            options.ClientKeyId = keyId;
        if (Text("CLIENT_ASSERTION_FILE") is { } assertionFile)
            options.ClientAssertionFile = assertionFile;
        if (Text("CLIENT_ASSERTION_AUDIENCE") is { } assertionAudience)
            options.ClientAssertionAudience = assertionAudience;
        if (Text("RESOURCE") is { } resource)
            options.Resource = resource;
        if (Switch("SIGNED_IN") is { } signedIn)
            options.SignedIn = signedIn;
        if (Switch("REQUIRE_HTTPS") is { } requireHttps)
            options.RequireHttps = requireHttps;
        if (Text("ALLOWED_ORIGINS") is { } origins)
        {
            options.AllowedOrigins.Clear();
            foreach (string origin in Split(origins))
            {
                if (Url("ALLOWED_ORIGINS", origin) is { } url)
                    options.AllowedOrigins.Add(url);
            }
        }
    }

    // Empty counts as not set.
    private string? Text(string name) => _source.Find(name) is { } value && !string.IsNullOrWhiteSpace(value) ? value : null;

    // To M3 every word but "true" means off, "1" and " true" too: nobody is to send its calls unprotected by a slip.
    private bool? OnOrOff()
    {
        const string name = "ENABLED";
        switch (Text(name))
        {
            case null:
                return null;
            case { } on when on.Equals("true", StringComparison.OrdinalIgnoreCase):
                return true;
            case { } off when off.Equals("false", StringComparison.OrdinalIgnoreCase):
                return false;
            case { } value:
                Fail(name, "true or false", value, $", which M3 takes as off: write {_source.NameOf(name)}=true to have OAuth2 on");
                return null;
        }
    }

    private bool? Switch(string name)
    {
        string? value = Text(name)?.Trim();
        if (value is null || bool.TryParse(value, out _))
            return value is null ? null : bool.Parse(value);
        Fail(name, "true or false", value);
        return null;
    }

    private RateLimitMode? Mode()
    {
        const string name = "RATE_LIMIT_MODE";
        switch (Text(name)?.Trim())
        {
            case null:
                return null;
            case { } reject when reject.Equals(nameof(RateLimitMode.Reject), StringComparison.OrdinalIgnoreCase):
                return RateLimitMode.Reject;
            case { } wait when wait.Equals(nameof(RateLimitMode.Wait), StringComparison.OrdinalIgnoreCase):
                return RateLimitMode.Wait;
            case { } value:
                Fail(name, "Reject or Wait", value);
                return null;
        }
    }

    // In a section also as .NET writes a duration; M3 itself would not understand that in a variable.
    private TimeSpan? Seconds(string name)
    {
        if (_source.IsSection && Text(name) is { } text && text.Contains(':', StringComparison.Ordinal))
        {
            if (TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out TimeSpan duration) && duration > TimeSpan.Zero)
                return duration;
            Fail(name, "a positive whole number of seconds, or a duration such as 01:00:00", text);
            return null;
        }

        return Number(name, "a positive whole number of seconds") is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
    }

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

    private void Fail(string name, string expected, string value, string hint = "") =>
        _failures.Add($"{_source.NameOf(name)} must be {expected}, but is {Printable.Quote(value)}{hint}");

    private static string[] Split(string value) => value.Split(Separators, StringSplitOptions.RemoveEmptyEntries);
}
