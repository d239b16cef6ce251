namespace M3.Client.Auth;

/// <summary>What a token source may want to know.</summary>
public sealed class TokenSourceContext
{
    private readonly M3AuthOptions _options;

    internal TokenSourceContext(M3AuthOptions options, Backchannel backchannel, IssuerMetadata metadata, NegativeCache failed, Log log, M3AccessToken? rejected, (string Raw, ITokenSource Source)? held)
    {
        _options = options;
        Backchannel = backchannel.Invoker;
        Metadata = metadata;
        Failed = failed;
        Log = log;
        Rejected = rejected;
        Held = held;
    }

    /// <summary>The token that M3 refused, so that a cached copy of it is not returned again; null for an ordinary read.</summary>
    public M3AccessToken? Rejected { get; }

    /// <summary>
    /// Sends to the issuer the way that keys are fetched: HTTPS only (loopback excepted), no redirect followed, at most 1 MiB and 5 seconds for
    /// each answer, no compressed ones; what breaks these bounds is an <see cref="HttpRequestException"/>. Not to be disposed.
    /// </summary>
    public HttpMessageInvoker Backchannel { get; }

    /// <summary>The configured issuer.</summary>
    public string? IssuerUrl => _options.IssuerUrl;

    /// <summary>The audience that the token must be for.</summary>
    public string? Audience => _options.Audience;

    /// <summary>The scopes that the token must have.</summary>
    public IReadOnlyCollection<string> RequiredScopes => (IReadOnlyCollection<string>)_options.RequiredScopes;

    /// <summary>The clock to go by.</summary>
    public TimeProvider TimeProvider => _options.TimeProvider;

    internal IssuerMetadata Metadata { get; }

    internal NegativeCache Failed { get; }

    internal Log Log { get; }

    /// <summary>The raw token in use, and whose it is, while it needs no successor and this is just a look for news.</summary>
    internal (string Raw, ITokenSource Source)? Held { get; }

    /// <summary>What a failure of a source must not carry along.</summary>
    internal string?[] SecretsAtHand => [Held?.Raw, Rejected?.Value, _options.ClientSecret];

    /// <summary>Which source of a chain answered; null: nobody.</summary>
    internal ITokenSource? Answering { get; set; }
}
