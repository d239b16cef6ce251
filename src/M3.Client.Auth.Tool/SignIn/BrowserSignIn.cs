using System.CommandLine;
using Duende.IdentityModel;
using Duende.IdentityModel.Client;
using Duende.IdentityModel.OidcClient;

namespace M3.Client.Auth.Tool;

/// <summary>
/// Signs a person in at the issuer's own page, in the browser of this machine: authorization code (RFC 6749, section 4.1) with PKCE S256 (RFC 7636) on a
/// loopback redirect (RFC 8252); the answer counts by its state, and by its issuer where it says it or has to (RFC 9207).
/// </summary>
internal static class BrowserSignIn
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(5);

    public static Option<int?> Port { get; } = CreatePort();

    /// <param name="client">Who asks.</param>
    /// <param name="endpoint">The page.</param>
    /// <param name="plan">For what.</param>
    /// <param name="port">Where the answer comes to; null: to any free port.</param>
    /// <param name="keep">Takes the answer; the page says how that went.</param>
    /// <param name="cancellationToken">Ends the wait; nothing is kept then.</param>
    /// <exception cref="SignInException">Nobody signed in, or the answer is not the issuer's.</exception>
    /// <exception cref="M3AuthException">The person said no, or the issuer refused.</exception>
    public static async Task RunAsync(SignInClient client, AuthorizationEndpoint endpoint, SignInPlan plan, int? port, Func<TokenAnswer, Task> keep, CancellationToken cancellationToken)
    {
        if (!endpoint.TakesS256)
            throw new SignInException("the issuer does not say that it checks PKCE by S256 (RFC 7636), without which others could use a code that they see", "Sign in with a code: --device.");

        // An issuer that a stranger's server named could have its page be an honest issuer's, and take the code from there for itself: with neither a name in the answer nor
        // an address of its own, nothing would show it (RFC 9207, section 1; RFC 9700, section 4.4).
        if (plan.OnlyFor is not null && !endpoint.NamesIssuer && !Origin.Same(endpoint.Address, new Uri(plan.IssuerUrl)))
        {
            throw new SignInException($"the issuer's page is at another origin, {Origin.Describe(endpoint.Address)}, and its answers do not say whose they are (RFC 9207)",
                "It may be a trap: if you trust it, name the issuer yourself, with --issuer and --audience; or sign in with a code: --device.");
        }

        using LoopbackRedirect redirect = LoopbackRedirect.Listen(port);
        AuthorizeState sent = await PrepareAsync(client, endpoint, plan, redirect.Address, cancellationToken);
        Console.Error.WriteLine("To sign in, go on in the browser; where none opens, open this address on this machine:");
        Console.Error.WriteLine();
        Console.Error.WriteLine($"    {sent.StartUrl}");
        Console.Error.WriteLine();
        if (!SystemBrowser.TryOpen(new Uri(sent.StartUrl)))
            Console.Error.WriteLine("(No browser could be started.)");
        Console.Error.WriteLine("Waiting for 5 min at most (Ctrl+C stops). If the page shows an error, sign in with a code: --device.");

        RedirectAnswer answer = await WaitAsync(redirect, sent.State, cancellationToken);
        bool isSignedIn = false;
        try
        {
            await keep(await SignInTokens.RedeemAsync(client, ReadCode(client, answer, endpoint, plan), sent.CodeVerifier, redirect.Address, plan.Resource, cancellationToken));
            isSignedIn = true;
        }
        finally
        {
            answer.Finish(isSignedIn);
        }
    }

    // The library asks nobody here: where everything is, is known, with our own bounds.
    private static async Task<AuthorizeState> PrepareAsync(SignInClient client, AuthorizationEndpoint endpoint, SignInPlan plan, string redirectUri, CancellationToken cancellationToken)
    {
        string[] scopes = [.. await SignInTokens.AddOfflineAccessAsync(client, plan.Scopes, cancellationToken)];
        TokenEndpoint tokens = await SignInTokens.FindAsync(client, OidcConstants.Discovery.TokenEndpoint, cancellationToken);
        var parameters = new Parameters { { OidcConstants.TokenRequest.Audience, plan.Audience } };
        if (plan.Resource is not null)
            parameters.Add(OidcConstants.AuthorizeRequest.Resource, plan.Resource);
        // Else no refresh token comes (OpenID Connect Core 1.0, section 11). Entra ID gives one all the same, and asks an administrator where a person consents.
        if (scopes.Contains(OidcConstants.StandardScopes.OfflineAccess) && !IssuerHints.IsEntra(endpoint.Address))
            parameters.Add(OidcConstants.AuthorizeRequest.Prompt, OidcConstants.PromptModes.Consent);

        var library = new OidcClient(new OidcClientOptions
        {
            Authority = plan.IssuerUrl,
            ClientId = plan.ClientId,
            RedirectUri = redirectUri,
            Scope = string.Join(' ', scopes),
            LoadProfile = false,
            DisablePushedAuthorization = true,
            ProviderInformation = new ProviderInformation
            {
                IssuerName = plan.IssuerUrl,
                AuthorizeEndpoint = endpoint.Address.AbsoluteUri,
                TokenEndpoint = tokens.Address.AbsoluteUri,
                KeySet = new(),
            },
        });
        return await library.PrepareLoginAsync(parameters, cancellationToken);
    }

    private static async Task<RedirectAnswer> WaitAsync(LoopbackRedirect redirect, string state, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(LongestWait);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            return await redirect.WaitAsync(state, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new SignInException("nobody signed in within 5 min", "Sign in again; where the browser is on another machine, sign in with a code: --device.");
        }
    }

    private static string ReadCode(SignInClient client, RedirectAnswer answer, AuthorizationEndpoint endpoint, SignInPlan plan)
    {
        // An answer of another issuer could bring its code to this one, or ours to it (RFC 9207, section 2.4).
        string? issuer = answer.Read(OidcConstants.AuthorizeResponse.Issuer);
        if (issuer is null ? endpoint.NamesIssuer : issuer != plan.IssuerUrl)
        {
            throw new SignInException(issuer is null ? "the answer does not say whose it is, and the issuer promises that its answers do (RFC 9207)" : $"the answer is of another issuer, {Printable.Quote(issuer)}",
                "Nothing was kept. Sign in again, and in that page only; if it stays so, ask whoever runs the issuer.");
        }

        if (answer.Read(OidcConstants.AuthorizeResponse.Error) is { } error)
        {
            if (error == OidcConstants.AuthorizeErrors.AccessDenied)
                throw SignInTokens.Declined(client);
            string description = answer.Read(OidcConstants.AuthorizeResponse.ErrorDescription) is { } text ? $" ({Printable.Text(text, 300)})" : "";
            throw new TokenRequestFailedException($"{client.Name}: the issuer answered {Printable.Text(error)}{description}");
        }

        return answer.Read(OidcConstants.AuthorizeResponse.Code)
            ?? throw new SignInException("the issuer's answer has neither a code nor an error", "Sign in again; if it stays so, ask whoever runs the issuer.");
    }

    private static Option<int?> CreatePort()
    {
        var port = new Option<int?>("--port") { Description = "The port of 127.0.0.1 that the browser's answer comes to, where the issuer knows but one; else any free one", HelpName = "NUMBER" };
        port.Validators.Add(result =>
        {
            if (result.GetValue(port) is < 1 or > 65535)
                result.AddError("--port is a number from 1 to 65535");
        });
        return port;
    }
}
