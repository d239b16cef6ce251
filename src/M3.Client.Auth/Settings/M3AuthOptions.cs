using System.Diagnostics;
using System.Text.Json.Serialization;
using System.Threading.RateLimiting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth;

/// <summary>
/// The settings of one registration. Each has a setting named after M3's own variable (M3's OAuth2 guide, "Configuration"), or
/// an own name beside them. They are copied and validated once, when a handler or provider is built or when the host starts;
/// changing them later has no effect. Wrong settings are an <see cref="OptionsValidationException"/>.
/// </summary>
public sealed class M3AuthOptions : IFormattable
{
    /// <summary>
    /// <c>M3_OAUTH2_ENABLED</c>: <c>true</c> or <c>false</c> in any case, and anything else is an error. Default true. When false, requests
    /// pass untouched.
    /// </summary>
    public bool Enabled { get; set; } = true;

    /// <summary>
    /// <c>M3_OAUTH2_ISSUER_URL</c>. Required. Compared with the token's <c>iss</c> character by character (RFC 7519, section 4.1.1),
    /// and where discovery starts.
    /// </summary>
    public string? IssuerUrl { get; set; }

    /// <summary><c>M3_OAUTH2_AUDIENCE</c>. Required. Must be among the token's <c>aud</c> (RFC 7519, section 4.1.3).</summary>
    public string? Audience { get; set; }

    /// <summary>
    /// <c>M3_OAUTH2_REQUIRED_SCOPES</c>, commas or spaces between. Default <c>read:mimic-data</c>. Empty: no scope is required.
    /// </summary>
    public ISet<string> RequiredScopes { get; private set; } = new HashSet<string>(StringComparer.Ordinal) { "read:mimic-data" };

    /// <summary>
    /// <c>M3_OAUTH2_JWKS_URL</c>. Default null: discovered from the issuer's metadata (OpenID Connect Discovery 1.0, RFC 8414).
    /// HTTPS, loopback excepted.
    /// </summary>
    public Uri? JwksUrl { get; set; }

    /// <summary><c>M3_OAUTH2_JWKS_CACHE_TTL</c>, in seconds. Default 1 hour. How long fetched keys are fresh.</summary>
    public TimeSpan JwksCacheTtl { get; set; } = TimeSpan.FromHours(1);

    /// <summary><c>M3_OAUTH2_RATE_LIMIT_ENABLED</c>. Default true.</summary>
    public bool RateLimitEnabled { get; set; } = true;

    /// <summary><c>M3_OAUTH2_RATE_LIMIT_REQUESTS</c>. Default 100, at most 1,000,000: tool calls per subject within one window.</summary>
    public int RateLimitRequests { get; set; } = 100;

    /// <summary><c>M3_OAUTH2_RATE_LIMIT_WINDOW</c>, in seconds. Default 1 hour.</summary>
    public TimeSpan RateLimitWindow { get; set; } = TimeSpan.FromHours(1);

    /// <summary><c>M3_OAUTH2_RATE_LIMIT_MODE</c>. What happens to a request beyond the limit. Default <see cref="RateLimitMode.Reject"/>.</summary>
    public RateLimitMode RateLimitMode { get; set; }

    /// <summary>
    /// A limiter of your own beside M3's sliding log, for example by endpoint. Default null. It sees every request that M3 counts; its
    /// lease is held until M3 has answered. Never disposed.
    /// </summary>
    [JsonIgnore]
    public PartitionedRateLimiter<HttpRequestMessage>? RateLimiter { get; set; }

    /// <summary>
    /// With <see cref="RateLimitMode.Wait"/>: told how long the next request has to wait, each time one begins to. Default null.
    /// </summary>
    [JsonIgnore]
    public IProgress<TimeSpan>? RateLimitProgress { get; set; }

    /// <summary>
    /// What this client shares with others, so that together they keep inside M3's rate limit. Default null: with <c>AddM3Auth</c> the
    /// container's, and else nothing. <see cref="M3SharedState.CreateInProcess"/> makes one.
    /// </summary>
    [JsonIgnore]
    public M3SharedState? SharedState { get; set; }

    /// <summary>
    /// <c>M3_OAUTH2_DEBUG</c>. Default false. Detailed logging at Information: the source, the issuer, the key, the checks, the
    /// expiry, the budget left; never the token. Without a logger factory it goes to standard error.
    /// </summary>
    public bool Debug { get; set; }

    /// <summary>
    /// Where the token comes from. Default null: the first of the environment variable <c>M3_OAUTH2_TOKEN</c> (read live),
    /// <see cref="TokenFile"/>, the configuration's other providers, <see cref="TokenCommand"/>, and client credentials.
    /// </summary>
    [JsonIgnore]
    public ITokenSource? TokenSource { get; set; }

    /// <summary><c>M3_OAUTH2_TOKEN_FILE</c>. Default null. A file that holds the token, such as a mounted secret; read again when it changes.</summary>
    public string? TokenFile { get; set; }

    /// <summary>
    /// <c>M3_OAUTH2_TOKEN_COMMAND</c>. Default null. A program that prints a token, and its arguments, as <see cref="TokenSources.FromCommand(string, IEnumerable{string})"/> runs it,
    /// without a shell: white space separates, quotation marks group, a backslash means something only inside double ones, before <c>"</c> or <c>\</c>. May hold a secret.
    /// </summary>
    [JsonIgnore]
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public string? TokenCommand { get; set; }

    /// <summary><c>M3_OAUTH2_CLIENT_ID</c>. Default null. For client credentials (RFC 6749, section 4.4).</summary>
    public string? ClientId { get; set; }

    /// <summary>
    /// <c>M3_OAUTH2_CLIENT_SECRET</c>. Default null. For client credentials (RFC 6749, section 2.3.1); needs <see cref="ClientId"/>. Whatever
    /// reads public properties by reflection sees it: never log the options with Serilog's <c>{@Options}</c>.
    /// </summary>
    [JsonIgnore]
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public string? ClientSecret { get; set; }

    /// <summary><c>M3_OAUTH2_CLIENT_SECRET_FILE</c>. Default null. A file that holds the client secret; needs <see cref="ClientId"/>.</summary>
    public string? ClientSecretFile { get; set; }

    /// <summary><c>M3_OAUTH2_CLIENT_KEY_FILE</c>. Default null. A private key instead of a secret: <see cref="TokenSources.ClientCredentialsWithKey"/>; needs <see cref="ClientId"/>.</summary>
    public string? ClientKeyFile { get; set; }

    /// <summary><c>M3_OAUTH2_CLIENT_KEY_ID</c>. Default null: the JWK's own; with PEM none. The <c>kid</c> that the issuer knows the key by.</summary>
    public string? ClientKeyId { get; set; }

    /// <summary><c>M3_OAUTH2_CLIENT_ASSERTION_FILE</c>. Default null. An assertion (RFC 7523, section 2.2) that somebody else keeps fresh; needs <see cref="ClientId"/>.</summary>
    public string? ClientAssertionFile { get; set; }

    /// <summary><c>M3_OAUTH2_CLIENT_ASSERTION_AUDIENCE</c>. Default null: the issuer; at Entra ID and Okta the token endpoint. Whom the assertion that the key signs is for.</summary>
    public string? ClientAssertionAudience { get; set; }

    /// <summary><c>M3_OAUTH2_RESOURCE</c>. Default null. M3's resource indicator (RFC 8707), an absolute URI without fragment, sent with token requests.</summary>
    public string? Resource { get; set; }

    /// <summary>
    /// <c>M3_OAUTH2_SIGNED_IN</c>. Whether the sign-in that <c>m3-token login</c> kept for this user counts, as the last source of the default
    /// chain. Default null: for scripts (<see cref="M3HttpClient.Create"/>, <see cref="FromEnvironment"/>), and not with <c>AddM3Auth</c>, so
    /// that no service runs silently as a person. False: nowhere, not even by <see cref="TokenSources.SignedIn"/>.
    /// </summary>
    public bool? SignedIn { get; set; }

    /// <summary>
    /// <c>M3_OAUTH2_ALLOWED_ORIGINS</c>, commas or spaces between. Scheme, host and port of where the token may go; paths are
    /// ignored. Default empty: the first origin that the registration is used with becomes its only one.
    /// </summary>
    public ICollection<Uri> AllowedOrigins { get; private set; } = [];

    /// <summary>
    /// <c>M3_OAUTH2_REQUIRE_HTTPS</c>. Default true: the token never leaves over plain HTTP, loopback excepted. Keys and token
    /// requests need HTTPS whatever this says.
    /// </summary>
    public bool RequireHttps { get; set; } = true;

    /// <summary>
    /// <c>M3_OAUTH2_THROW_ON_REJECTION</c>. Default true: M3's 401, and its 403 with <c>insufficient_scope</c>, become typed errors. When false the response is returned.
    /// </summary>
    public bool ThrowOnRejection { get; set; } = true;

    /// <summary>
    /// <c>M3_OAUTH2_VALIDATE_SIGNATURE</c>. Default true. When false no key is fetched and no signature checked; for tests against a
    /// fake M3 only.
    /// </summary>
    public bool ValidateSignature { get; set; } = true;

    /// <summary>
    /// <c>M3_OAUTH2_VALIDATE_EXP</c>. Default true. When false an expired token, or one without <c>exp</c>, is accepted; <c>nbf</c>
    /// and <c>iat</c> are still checked, as M3 does.
    /// </summary>
    public bool ValidateLifetime { get; set; } = true;

    /// <summary><c>M3_OAUTH2_VALIDATE_AUD</c>. Default true.</summary>
    public bool ValidateAudience { get; set; } = true;

    /// <summary><c>M3_OAUTH2_VALIDATE_ISS</c>. Default true.</summary>
    public bool ValidateIssuer { get; set; } = true;

    /// <summary>
    /// The handler for discovery, JWKS and token requests, in place of the built-in one with its timeouts and retries. Default null.
    /// Never disposed.
    /// </summary>
    [JsonIgnore]
    public HttpMessageHandler? BackchannelHttpHandler { get; set; }

    /// <summary>The clock and the timers. Default <see cref="TimeProvider.System"/>.</summary>
    [JsonIgnore]
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>The prefix that the settings were read with; names them in errors and names the token's variable.</summary>
    internal string Prefix { get; set; } = SettingNames.DefaultPrefix;

    /// <summary>Whether a person runs the program that they are for, so that the person's own sign-in counts unless they say otherwise.</summary>
    internal bool IsScript { get; set; }

    /// <summary>The client's name at the factory; null: it is built directly.</summary>
    internal string? ClientName { get; set; }

    /// <summary>The configuration that the settings were read from, where a token may be, too.</summary>
    internal IConfiguration? Configuration { get; set; }

    /// <summary>The section that has settings under the options' own names, and may have a token.</summary>
    internal IConfigurationSection? Section { get; set; }

    /// <summary>Fingerprints of what the configuration said when they were read; null: nobody compares.</summary>
    internal IReadOnlyDictionary<string, string?>? AtStart { get; set; }

    /// <summary>Reads the settings from this process's environment variables.</summary>
    /// <param name="prefix">What the variables' names begin with. Default <c>M3_OAUTH2_</c>.</param>
    /// <exception cref="OptionsValidationException">A value cannot be understood; the message names the variable and the value.</exception>
    public static M3AuthOptions FromEnvironment(string prefix = SettingNames.DefaultPrefix)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        var options = new M3AuthOptions { IsScript = true };
        options.ReadFromEnvironment(prefix);
        return options;
    }

    /// <summary>
    /// Reads the settings from a configuration, under the same flat names as the environment variables; from a section also under the
    /// options' own names (<c>IssuerUrl</c>, <c>Audience</c>, ... and <c>Token</c>), which have the last word.
    /// </summary>
    /// <param name="configuration">The application's configuration or a section of it. A token is looked for in it, too, and follows its reload.</param>
    /// <param name="prefix">What the settings' names begin with. Default <c>M3_OAUTH2_</c>.</param>
    /// <exception cref="OptionsValidationException">A value cannot be understood; the message names the setting and the value.</exception>
    public static M3AuthOptions FromConfiguration(IConfiguration configuration, string prefix = SettingNames.DefaultPrefix)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(prefix);
        var options = new M3AuthOptions();
        options.ReadFrom(configuration, prefix);
        return options;
    }

    /// <summary>Whose tokens are asked for, and from whom; never a secret.</summary>
    public override string ToString() =>
        $"M3AuthOptions {{ Enabled = {Enabled}, IssuerUrl = {Printable.Quote(IssuerUrl)}, Audience = {Printable.Quote(Audience)}, ClientId = {Printable.Quote(ClientId)} }}";

    // Loggers such as NLog take apart whatever cannot be formatted.
    string IFormattable.ToString(string? format, IFormatProvider? formatProvider) => ToString();

    internal void ReadFromEnvironment(string prefix) => Read(SettingsSource.InEnvironment(prefix), prefix);

    internal void ReadFrom(IConfiguration configuration, string prefix)
    {
        Configuration = configuration;
        Read(SettingsSource.Flat(name => configuration[name], prefix), prefix);
        if (configuration is IConfigurationSection section)
            ReadSection(section);
    }

    /// <summary>Overwrites what the section says under the options' own names.</summary>
    internal void ReadSection(IConfigurationSection section)
    {
        Section = section;
        SettingsReader.Read(SettingsSource.In(section), this);
    }

    /// <summary>What a setting is called where it was read from.</summary>
    internal string NameOf(string name) => Section is not null && SettingsSource.In(Section) is var section && section.Find(name) is not null
        ? section.NameOf(name)
        : Prefix + name;

    internal Log CreateLog(ILoggerFactory? loggerFactory) => new(loggerFactory, ClientName, Debug, TimeProvider);

    internal IssuerSettings ToIssuerSettings() => new(IssuerUrl, JwksUrl, JwksCacheTtl, Prefix);

    internal ValidationRules ToValidationRules() => new(IssuerUrl, Audience, (IReadOnlySet<string>)RequiredScopes, ValidateSignature,
        ValidateLifetime, ValidateAudience, ValidateIssuer, ClientId, Prefix);

    private void Read(SettingsSource source, string prefix)
    {
        Prefix = prefix;
        SettingsReader.Read(source, this);
    }

    /// <summary>A copy that nobody else holds.</summary>
    internal M3AuthOptions Copy()
    {
        var copy = (M3AuthOptions)MemberwiseClone();
        copy.RequiredScopes = new HashSet<string>(RequiredScopes, StringComparer.Ordinal);
        copy.AllowedOrigins = [.. AllowedOrigins];
        return copy;
    }
}
