using Microsoft.Extensions.Logging;

namespace M3.Client.Auth;

/// <summary>
/// What belongs to one client name, or to one directly built handler, for as long as it lives: nothing in it is static, and nothing
/// of it is in a handler.
/// </summary>
internal sealed class M3AuthRegistration
{
    // More than a retry policy can lag behind, with short tokens or with users who take turns.
    private const int SentRemembered = 64;

    private bool _foreignLogged;
    private M3AccessToken? _lastSent;

    // Newest first; swapped whole.
    private string[] _sent = [];

    public M3AuthRegistration(IM3TokenProvider tokens, M3AuthOptions options, ILoggerFactory? loggerFactory,
        M3SharedState? sharedState = null, Telemetry? telemetry = null)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentNullException.ThrowIfNull(options);
        Options = SettingsValidator.CopyForSending(options);
        Log = Options.CreateLog(loggerFactory);
        Telemetry = telemetry ?? new Telemetry(clientName: null, Instruments.Shared, Options.TimeProvider);
        Tokens = tokens;
        Admission = new Admission(Options, tokens, sharedState, Log, Telemetry);
        Telemetry.Budgets = GetBudgets;
        // Nobody looks at the origins, and they are not validated either, when OAuth2 is off.
        Origins = new OriginGuard(Options.Enabled ? Options.AllowedOrigins : [], Options.RequireHttps, Log);
        LongestSynchronousWait = Options is { RateLimitEnabled: true, RateLimitMode: RateLimitMode.Wait } ? Timeout.InfiniteTimeSpan
            : (tokens as M3TokenProvider)?.SourceTimeout ?? TimeSpan.FromMinutes(2);
    }

    public readonly M3AuthOptions Options;

    public readonly Log Log;

    public readonly Telemetry Telemetry;

    public readonly IM3TokenProvider Tokens;

    public readonly Admission Admission;

    public readonly OriginGuard Origins;

    /// <summary>
    /// How long a synchronous call waits for what it needs: as long as any source may take. Whoever waits for the budget has chosen to.
    /// </summary>
    public TimeSpan LongestSynchronousWait { get; init; }

    /// <summary>Whether a header's token is one that this registration sent: a message cloned for a retry carries it as plain text.</summary>
    public bool HasSent(string? token) => token is not null && Array.IndexOf(Volatile.Read(ref _sent), token) >= 0;

    /// <summary>Where alone the token sent last may go; null: where any may.</summary>
    public Origin? LastOnlyFor => Volatile.Read(ref _lastSent)?.OnlyFor;

    public void RememberSent(M3AccessToken token)
    {
        if (ReferenceEquals(Volatile.Read(ref _lastSent), token))
            return;

        string[] before;
        do
        {
            before = Volatile.Read(ref _sent);
        }
        while (Array.IndexOf(before, token.Value) < 0
            && Interlocked.CompareExchange(ref _sent, [token.Value, .. before.Take(SentRemembered - 1)], before) != before);
        Volatile.Write(ref _lastSent, token);
    }

    /// <summary>How each origin's budget stands for the subject of the last call.</summary>
    public IReadOnlyCollection<BudgetState> GetBudgets() => Admission.GetBudgets(Volatile.Read(ref _lastSent)?.Subject);

    /// <summary>Every failure leaves through here: it names this registration's settings, unless its provider's are named already.</summary>
    public void Refused(M3AuthException error, Uri? target)
    {
        Explain(error);
        // What M3 or a gateway says in its own words may name a subject.
        Telemetry.Refused(error.Error.ToString(), error.StatusCode is null ? error.Message : M3Answer.Summarize(error), (int?)error.StatusCode, target);
    }

    /// <summary>A failure that is not the call's own.</summary>
    public void Explain(M3AuthException error)
    {
        error.Prefix ??= Options.Prefix;
        Log.RequestRefused(error.Error.ToString(), error.Message);
    }

    public void LogForeignOnce(Uri? target)
    {
        if (!Interlocked.Exchange(ref _foreignLogged, true))
            Log.ForeignAuthorization(Origin.Describe(target));
    }
}
