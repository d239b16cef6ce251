using System.CommandLine;
using System.Diagnostics.CodeAnalysis;

namespace M3.Client.Auth.Tool;

/// <summary>What a sign-in asks for, and of whom.</summary>
/// <param name="IssuerUrl">Who is asked.</param>
/// <param name="ClientId">As whom.</param>
/// <param name="Audience">Whom the token must be for.</param>
/// <param name="Scopes">What it must allow.</param>
/// <param name="Resource">The resource indicator (RFC 8707); null: none.</param>
/// <param name="Unused">The settings' audience, where the server's own takes its place; null: it does not.</param>
/// <param name="OnlyFor">The origin that named the issuer, where the token may go alone; null: the user named it.</param>
internal sealed record SignInPlan(string IssuerUrl, string ClientId, string Audience, IReadOnlyList<string> Scopes, string? Resource, string? Unused, Uri? OnlyFor)
{
    private const int MaxScopeLength = 200;

    public static Option<string[]> Scope { get; } = new("--scope") { Description = "A scope to ask for, once for each", HelpName = "SCOPE" };

    public static Option<string?> ResourceIndicator { get; } = new("--resource") { Description = "The resource indicator (RFC 8707), where the issuer wants one", HelpName = "URI" };

    /// <summary>From the command line, then the settings, then what the server says of itself.</summary>
    /// <exception cref="SignInException">Something is missing.</exception>
    public static async Task<SignInPlan> MakeAsync(ParseResult parsed, Uri? server, Backchannel backchannel, CancellationToken cancellationToken)
    {
        string prefix = parsed.GetRequiredValue(CommonOptions.Prefix);
        M3AuthOptions settings = M3AuthOptions.FromEnvironment(prefix);
        ServerMetadata? found = server is null ? null : await ServerMetadata.FindAsync(server, backchannel, cancellationToken);

        string issuer = found is null
            ? parsed.GetValue(SignInOptions.Issuer) ?? settings.IssuerUrl ?? throw Missing("issuer", "M3's address, or --issuer", prefix + "ISSUER_URL")
            : await ChooseIssuerAsync(found, parsed.GetValue(SignInOptions.Issuer), cancellationToken);
        CheckIssuer(issuer);
        // The settings' audience is not the server's to have: a hostile one could name the settings' own issuer, and win a token that is good at the real M3.
        string audience = parsed.GetValue(SignInOptions.Audience) ?? (found is null ? settings.Audience : found.Resource)
            ?? throw Missing("audience", "--audience", prefix + "AUDIENCE");
        // Entra ID says it by its scopes, and knows no other way.
        string? resource = parsed.GetValue(ResourceIndicator) ?? (found is null ? settings.Resource : IssuerHints.IsEntra(new Uri(issuer)) ? null : found.Resource);
        // Nor is the client the server's to know.
        string clientId = parsed.GetValue(SignInOptions.ClientId) ?? (found is null || settings.IssuerUrl is null || settings.IssuerUrl == issuer ? settings.ClientId : null)
            ?? throw Missing("client", "--client-id: whoever runs the issuer registers one for m3-token, a public client with the device code grant", prefix + "CLIENT_ID");
        bool areScopesSet = !string.IsNullOrWhiteSpace(Environment.GetEnvironmentVariable(prefix + "REQUIRED_SCOPES"));
        IEnumerable<string> scopes = parsed.GetValue(Scope) is { Length: > 0 } asked ? asked
            : !areScopesSet && found is { Scopes.Count: > 0 } ? found.Scopes : settings.RequiredScopes;
        if (scopes.FirstOrDefault(scope => !IsScope(scope)) is { } unfit)
            throw new SignInException($"{Printable.Quote(unfit)} is no scope (RFC 6749, section 3.3), or one of more than {MaxScopeLength} characters", "Give each scope by itself, without white space, quotation marks or backslashes: --scope ONE --scope TWO.");
        return new SignInPlan(issuer, clientId, audience, [.. scopes], resource, found is not null && settings.Audience != audience ? settings.Audience : null, server is null ? null : new Uri(server.GetLeftPart(UriPartial.Authority)));
    }

    /// <summary>Whether a person can be sent to this issuer.</summary>
    public static bool IsIssuer(string issuer, [NotNullWhen(true)] out Uri? address) =>
        SettingsValidator.IsIssuer(issuer, out address) && Backchannel.MayReach(address) && address.UserInfo.Length == 0;

    private static void CheckIssuer(string issuer)
    {
        if (!IsIssuer(issuer, out _))
            throw new SignInException($"the issuer {Printable.Quote(issuer)} is no absolute https URL without user, query and fragment (http only on loopback)", "Give it as its tokens' iss has it, such as https://your-tenant.auth0.com/.");
    }

    private static bool IsScope(string scope) => scope.Length is > 0 and <= MaxScopeLength && scope.All(c => c is '!' or (>= '#' and <= '[') or (>= ']' and <= '~'));

    // Of several, none is taken for the others.
    private static async Task<string> ChooseIssuerAsync(ServerMetadata found, string? asked, CancellationToken cancellationToken)
    {
        if (asked is null && found.Issuers.Count == 1)
            return found.Issuers[0];
        if (asked is not null && found.Issuers.Contains(asked))
            return asked;
        if (asked is null && Question.CanBeAsked)
            return await Question.ChooseAsync("The server names several issuers:", found.Issuers, cancellationToken);
        string named = string.Join(", ", found.Issuers.Select(issuer => Printable.Quote(issuer)));
        throw asked is null
            ? new SignInException($"the server names several issuers: {named}", "Choose the one that you have an account at: --issuer URL.")
            : new SignInException($"the server does not name {Printable.Quote(asked)} as an issuer, but {named}", "Leave --issuer out, or leave the address out and name the audience.");
    }

    private static SignInException Missing(string what, string how, string setting) => new($"no {what} is known", $"Give {how}, or set {setting}.");
}
