using Microsoft.Extensions.Logging;

namespace M3.Client.Auth;

/// <summary>
/// What belongs to one client name, or to one directly built handler, for as long as it lives: nothing in it is static, and nothing
/// of it is in a handler.
/// </summary>
internal sealed class M3AuthRegistration
{
    private bool _foreignLogged;
    private M3AccessToken? _lastSent;
    private M3AccessToken? _sentBefore;

    public M3AuthRegistration(IM3TokenProvider tokens, M3AuthOptions options, ILoggerFactory? loggerFactory)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentNullException.ThrowIfNull(options);
        Options = SettingsValidator.CopyForSending(options);
        Log = new Log(Options, loggerFactory);
        Tokens = tokens;
        OwnTokens = tokens as M3TokenProvider;
        Origins = new OriginGuard(Options, Log);
        Budget = new RequestBudget(Options, Log);
    }

    public M3AuthOptions Options { get; }

    public Log Log { get; }

    public IM3TokenProvider Tokens { get; }

    /// <summary>The provider when it is this library's, whose cached token can be had without a call through the interface.</summary>
    public M3TokenProvider? OwnTokens { get; }

    public OriginGuard Origins { get; }

    public RequestBudget Budget { get; }

    public long Now => Options.TimeProvider.GetUtcNow().UtcTicks;

    /// <summary>Whether a header's token is one that this registration sent: a message cloned for a retry carries it as plain text.</summary>
    public bool HasSent(string? token) =>
        token is not null && (Volatile.Read(ref _lastSent)?.Value == token || Volatile.Read(ref _sentBefore)?.Value == token);

    public void RememberSent(M3AccessToken token)
    {
        if (ReferenceEquals(Volatile.Read(ref _lastSent), token))
            return;
        if (Interlocked.Exchange(ref _lastSent, token) is { } before && before.Value != token.Value)
            Volatile.Write(ref _sentBefore, before);
    }

    public void LogForeignOnce(Uri? target)
    {
        if (!Interlocked.Exchange(ref _foreignLogged, true))
            Log.ForeignAuthorization(Origin.Describe(target));
    }
}
