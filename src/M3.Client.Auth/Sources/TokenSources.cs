using Microsoft.Extensions.Configuration;

namespace M3.Client.Auth;

/// <summary>The ways to supply a token. Whatever they return goes through the same normalising and validation.</summary>
public static class TokenSources
{
    /// <summary>An environment variable of this process, read live, at most once a second.</summary>
    /// <param name="name">Its name. Default <c>M3_OAUTH2_TOKEN</c>.</param>
    public static ITokenSource FromEnvironment(string name = SettingNames.DefaultPrefix + "TOKEN")
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return new EnvironmentTokenSource(name);
    }

    /// <summary>
    /// A file that holds nothing but the token, as Docker and Kubernetes mount secrets. Read again when it changes; replacing it by a
    /// rename is safe. While it is empty or gone, a token read before is used until it expires.
    /// </summary>
    /// <param name="path">Its path. Other users should not be able to read it; a warning is logged if they are.</param>
    public static ITokenSource FromFile(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return new FileTokenSource(path);
    }

    /// <summary>A setting of any configuration (user secrets, a key vault, a JSON file), following its reload.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="key">The setting's key. Default <c>M3_OAUTH2_TOKEN</c>.</param>
    public static ITokenSource FromConfiguration(IConfiguration configuration, string key = SettingNames.DefaultPrefix + "TOKEN")
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentException.ThrowIfNullOrWhiteSpace(key);
        return new ConfigurationTokenSource(configuration, key, skipEnvironment: false);
    }

    /// <summary>This one token, for as long as it lasts.</summary>
    /// <param name="token">The token, with or without <c>Bearer </c> in front.</param>
    public static ITokenSource FromValue(string? token) => new DelegateTokenSource("the given value", _ => new(token));

    /// <summary>
    /// Whatever a delegate returns: MSAL, Azure Identity, a vault. It is called near the token's expiry and after M3 refused it, one
    /// call at a time.
    /// </summary>
    /// <param name="read">Returns the token, or null when there is none.</param>
    public static ITokenSource From(Func<CancellationToken, ValueTask<string?>> read)
    {
        ArgumentNullException.ThrowIfNull(read);
        return new DelegateTokenSource("the delegate", read);
    }

    /// <summary>
    /// A program that prints a token, such as <c>az account get-access-token</c>: run near the token's expiry and after M3 refused it, one at a
    /// time, for at most 30 s.
    /// </summary>
    /// <param name="fileName">The program's path, or its name, which is looked for in <c>PATH</c> alone.</param>
    /// <param name="arguments">Its arguments, passed on as they are; shown nowhere.</param>
    /// <remarks>
    /// It runs without a shell, in this process's environment, with nothing to read, and must end with code 0. What it prints is the token alone,
    /// with or without <c>Bearer </c> in front, or a JSON object with it as <c>access_token</c>, <c>accessToken</c> or <c>token</c>; an expiry in
    /// it (<c>expires_on</c>, <c>expiresOn</c>, <c>expiration</c>, <c>expires_in</c>) that has passed is <see cref="TokenExpiredException"/>.
    /// More than 1 MiB, or no end in time: it is killed, with all that it has started. Every other failure is
    /// <see cref="TokenRequestFailedException"/>, with the end of its standard error unless a token or a secret may be in that.
    /// </remarks>
    public static ITokenSource FromCommand(string fileName, params IEnumerable<string> arguments) =>
        FromCommand(fileName, arguments, CommandTokenSource.DefaultTimeout);

    /// <inheritdoc cref="FromCommand(string, IEnumerable{string})" />
    /// <param name="fileName">The program's path, or its name, which is looked for in <c>PATH</c> alone.</param>
    /// <param name="arguments">Its arguments, passed on as they are; shown nowhere.</param>
    /// <param name="timeout">How long it may take instead of 30 s: above zero, at most a day.</param>
    public static ITokenSource FromCommand(string fileName, IEnumerable<string> arguments, TimeSpan timeout)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(fileName);
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(timeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(timeout, TimeSpan.FromDays(1));
        string[] copy = [.. arguments];
        return copy.Contains(null) ? throw new ArgumentException("An argument is null.", nameof(arguments)) : new CommandTokenSource(fileName, copy, timeout);
    }

    /// <summary>
    /// Client credentials (RFC 6749, section 4.4) against the issuer's discovered token endpoint, asking for the required scopes
    /// and the audience.
    /// </summary>
    /// <param name="clientId">The client's id.</param>
    /// <param name="clientSecret">The client's secret (RFC 6749, section 2.3.1).</param>
    /// <param name="parameters">Further parameters that the provider needs, such as <c>resource</c>; they replace those of the same name.</param>
    public static ITokenSource ClientCredentials(string clientId, string clientSecret, IReadOnlyDictionary<string, string>? parameters = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(clientId);
        ArgumentException.ThrowIfNullOrWhiteSpace(clientSecret);
        return new ClientCredentialsTokenSource(clientId, ClientCredentialKinds.Secret(clientSecret), parameters);
    }

    /// <summary>
    /// Client credentials of a client that has a private key instead of a secret: <c>private_key_jwt</c> (RFC 7523, section 2.2; OpenID Connect Core 1.0,
    /// section 9), signed RS256 or PS256 with RSA from 2048 bits, ES256 with P-256.
    /// </summary>
    /// <param name="clientId">The client's id.</param>
    /// <param name="keyFile">The key's file, read anew for each token: PEM (PKCS#8, PKCS#1 or SEC1, not encrypted), a JWK, or a JWKS with one private key.</param>
    /// <param name="keyId">The <c>kid</c> that the issuer knows the key by. Default null: the JWK's own; with PEM none.</param>
    /// <param name="audience">Whom the assertion is for. Default null: the issuer; at Entra ID and Okta the token endpoint.</param>
    /// <param name="parameters">As for <see cref="ClientCredentials"/>.</param>
    public static ITokenSource ClientCredentialsWithKey(
        string clientId, string keyFile, string? keyId = null, string? audience = null, IReadOnlyDictionary<string, string>? parameters = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(clientId);
        ArgumentException.ThrowIfNullOrWhiteSpace(keyFile);
        return new ClientCredentialsTokenSource(clientId, ClientCredentialKinds.KeyFile(clientId, keyFile, keyId, audience), parameters);
    }

    /// <summary>
    /// Client credentials of a client that somebody else vouches for: a federated assertion (RFC 7523, section 2.2) from a file which that
    /// somebody keeps fresh, such as Kubernetes' projected service account token.
    /// </summary>
    /// <param name="clientId">The client's id.</param>
    /// <param name="assertionFile">The assertion's file, read anew for each token.</param>
    /// <param name="parameters">As for <see cref="ClientCredentials"/>.</param>
    public static ITokenSource ClientCredentialsWithAssertion(string clientId, string assertionFile, IReadOnlyDictionary<string, string>? parameters = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(clientId);
        ArgumentException.ThrowIfNullOrWhiteSpace(assertionFile);
        return new ClientCredentialsTokenSource(clientId, ClientCredentialKinds.AssertionFile(assertionFile), parameters);
    }

    /// <summary>As the other, with an assertion that a delegate gets, such as GitHub Actions' ID token.</summary>
    /// <param name="clientId">The client's id.</param>
    /// <param name="readAssertion">Returns the assertion; called for each token.</param>
    /// <param name="parameters">As for <see cref="ClientCredentials"/>.</param>
    public static ITokenSource ClientCredentialsWithAssertion(
        string clientId, Func<CancellationToken, ValueTask<string>> readAssertion, IReadOnlyDictionary<string, string>? parameters = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(clientId);
        ArgumentNullException.ThrowIfNull(readAssertion);
        return new ClientCredentialsTokenSource(clientId, ClientCredentialKinds.Assertion(readAssertion), parameters);
    }

    /// <summary>
    /// The sign-in that <c>m3-token login</c> kept for this user, for the registration's issuer and audience; without one it has no token. It is
    /// renewed by its refresh token near the expiry and after M3 refused it (RFC 6749, section 6), by one process at a time, and kept again
    /// before it is used. Scripts find it by themselves, as the last source of the default chain; a service only with
    /// <see cref="M3AuthOptions.SignedIn"/> or this source. A sign-in that was discovered from an M3's address goes to that origin only.
    /// </summary>
    /// <param name="clientId">Whose sign-in counts, where there are several. Null: the one of <see cref="M3AuthOptions.ClientId"/>, or else the newest.</param>
    public static ITokenSource SignedIn(string? clientId = null) => new SignedInTokenSource(clientId);

    /// <summary>
    /// A person who signs in on another device (RFC 8628), for a program of one's own on a host without a browser: asks for a code, calls
    /// <paramref name="prompt"/>, and waits until they have signed in. From then on the refresh token renews the token near its expiry; a person
    /// is asked again when there is none, or when the issuer refuses it.
    /// </summary>
    /// <param name="clientId">The public client that they sign in with, which must have the device code grant.</param>
    /// <param name="prompt">Shows the code and where to type it. It is awaited before the wait for the person begins.</param>
    /// <param name="resource">The resource indicator (RFC 8707), where the issuer wants one. Default null: <c>M3_OAUTH2_RESOURCE</c>, if that is set. The audience is always sent as <c>audience</c>.</param>
    /// <param name="keep">
    /// Whether the sign-in is kept for this user, as <c>m3-token login</c> does it, so that the next start finds it. Default false: the refresh
    /// token stays in memory.
    /// </param>
    /// <remarks>
    /// The sign-in belongs to no single call: a call waits for it, all calls for the same one, and one that is cancelled or runs into its
    /// <see cref="HttpClient.Timeout"/> (100 s by default) fails alone, while the sign-in goes on for the next. Give the client a longer timeout, or
    /// call <see cref="IM3TokenProvider.GetTokenAsync"/> first. It ends with the code, or after 30 minutes.
    /// </remarks>
    public static ITokenSource DeviceCode(string clientId, Func<DeviceCodePrompt, CancellationToken, ValueTask> prompt, string? resource = null, bool keep = false)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(clientId);
        ArgumentNullException.ThrowIfNull(prompt);
        return new DeviceCodeTokenSource(clientId, prompt, resource, keep);
    }

    /// <summary>The first source that has a token, asked in order each time.</summary>
    /// <param name="sources">The sources.</param>
    public static ITokenSource FirstOf(params IEnumerable<ITokenSource> sources)
    {
        ArgumentNullException.ThrowIfNull(sources);
        return new FirstOfTokenSource([.. sources]);
    }

    /// <summary>Client credentials whose secret a file holds, read anew each time.</summary>
    internal static ITokenSource ClientCredentialsFromFile(string clientId, string path) =>
        new ClientCredentialsTokenSource(clientId, ClientCredentialKinds.SecretFile(path), parameters: null);

    /// <summary>The configuration's other providers than the environment, whose copy in it is as old as the process.</summary>
    internal static ITokenSource FromConfigurationWithoutEnvironment(IConfiguration configuration, string key) =>
        new ConfigurationTokenSource(configuration, key, skipEnvironment: true);
}
