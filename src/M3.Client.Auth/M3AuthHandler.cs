using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth;

/// <summary>
/// Sends each request to M3 with a token that was checked on the spot, or not at all: origin, token, budget, header, send, read the
/// answer. Every failure is an <see cref="M3AuthException"/>.
/// </summary>
/// <remarks>
/// What is to last (the token, the keys, the budget, the origin) belongs to the registration, not to the handler, which
/// <c>IHttpClientFactory</c> recycles.
/// </remarks>
public sealed class M3AuthHandler : DelegatingHandler
{
    private readonly M3AuthRegistration _registration;
    private readonly bool _ownsTokens;

    /// <summary>Makes a handler with a token provider of its own, which is disposed with it.</summary>
    /// <param name="options">The settings; copied.</param>
    /// <param name="loggerFactory">Where to log; null: nowhere, or to standard error with <see cref="M3AuthOptions.Debug"/>.</param>
    /// <exception cref="OptionsValidationException">The settings are wrong; every failure names its setting.</exception>
    public M3AuthHandler(M3AuthOptions options, ILoggerFactory? loggerFactory = null)
        : this(new M3AuthRegistration(new M3TokenProvider(options, loggerFactory), options, loggerFactory)) => _ownsTokens = true;

    /// <summary>Makes a handler whose tokens come from a provider that others may share; it is not disposed.</summary>
    /// <param name="tokens">Supplies the tokens.</param>
    /// <param name="options">The settings for sending (origins, budget); who issues the tokens is the provider's business.</param>
    /// <param name="loggerFactory">Where to log; null: nowhere, or to standard error with <see cref="M3AuthOptions.Debug"/>.</param>
    /// <exception cref="OptionsValidationException">The settings are wrong; every failure names its setting.</exception>
    public M3AuthHandler(IM3TokenProvider tokens, M3AuthOptions options, ILoggerFactory? loggerFactory = null)
        : this(new M3AuthRegistration(tokens, options, loggerFactory))
    {
    }

    internal M3AuthHandler(M3AuthRegistration registration) => _registration = registration;

    /// <inheritdoc />
    /// <exception cref="M3AuthException">The request was not sent, or M3 refused its token; the type says why.</exception>
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled<HttpResponseMessage>(cancellationToken);
        if (!IsOurs(request))
            return base.SendAsync(request, cancellationToken);

        // The whole way without a state machine, when the token is cached and the budget has room.
        Uri? target = request.RequestUri;
        M3AccessToken? token;
        int? permits;
        try
        {
            token = TryPrepare(request, out permits);
        }
        catch (M3AuthException e)
        {
            _registration.Refused(e);
            return Task.FromException<HttpResponseMessage>(e);
        }

        if (token is null)
            return PrepareAndSendAsync(request, permits, cancellationToken);

        Task<HttpResponseMessage> sending = base.SendAsync(request, cancellationToken);
        return sending.IsCompletedSuccessfully && !M3Answer.NeedsReading(sending.Result)
            ? sending
            : ReadAnswerAsync(request, target, token, sending, cancellationToken);
    }

    /// <inheritdoc />
    /// <exception cref="M3AuthException">The request was not sent, or M3 refused its token; the type says why.</exception>
    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        cancellationToken.ThrowIfCancellationRequested();
        if (!IsOurs(request))
            return base.Send(request, cancellationToken);

        Uri? target = request.RequestUri;
        IDisposable? lease = null;
        try
        {
            M3AccessToken? token = TryPrepare(request, out int? permits);
            if (token is null)
            {
                (token, lease) = Wait(() => _registration.Budget.AdmitAsync(request, permits, _registration.Tokens, cancellationToken), cancellationToken);
                Attach(request, token);
            }

            HttpResponseMessage response = base.Send(request, cancellationToken);
            return M3Answer.NeedsReading(response) ? ReadRefusal(request, target, token, response, cancellationToken) : response;
        }
        catch (M3AuthException e)
        {
            _registration.Refused(e);
            throw;
        }
        finally
        {
            lease?.Dispose();
        }
    }

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (disposing && _ownsTokens)
            (_registration.Tokens as IDisposable)?.Dispose();
        base.Dispose(disposing);
    }

    // The same walk for a token that is not at hand, or a budget that makes its callers wait.
    private async Task<HttpResponseMessage> PrepareAndSendAsync(HttpRequestMessage request, int? permits, CancellationToken cancellationToken)
    {
        Uri? target = request.RequestUri;
        Admission admission;
        try
        {
            admission = await _registration.Budget.AdmitAsync(request, permits, _registration.Tokens, cancellationToken).ConfigureAwait(false);
        }
        catch (M3AuthException e)
        {
            _registration.Refused(e);
            throw;
        }

        using IDisposable? lease = admission.Lease;
        Attach(request, admission.Token);
        HttpResponseMessage response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
        return M3Answer.NeedsReading(response)
            ? await ReadRefusalAsync(request, target, admission.Token, response, cancellationToken).ConfigureAwait(false)
            : response;
    }

    private async Task<HttpResponseMessage> ReadAnswerAsync(HttpRequestMessage request, Uri? target, M3AccessToken token,
        Task<HttpResponseMessage> sending, CancellationToken cancellationToken)
    {
        HttpResponseMessage response = await sending.ConfigureAwait(false);
        return M3Answer.NeedsReading(response)
            ? await ReadRefusalAsync(request, target, token, response, cancellationToken).ConfigureAwait(false)
            : response;
    }

    // Apart, so that an ordinary answer that comes later costs one small state machine.
    private async Task<HttpResponseMessage> ReadRefusalAsync(HttpRequestMessage request, Uri? target, M3AccessToken token,
        HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            if (MayRepeat(request, target, response) && await TryRenewAsync(request, token, cancellationToken).ConfigureAwait(false) is { } renewed)
            {
                response.Dispose();
                token = renewed;
                response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            }

            return Judge(request, target, token, response);
        }
        catch (Exception e)
        {
            response.Dispose();
            if (e is M3AuthException refusal)
                _registration.Refused(refusal);
            throw;
        }
    }

    private HttpResponseMessage ReadRefusal(HttpRequestMessage request, Uri? target, M3AccessToken token,
        HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            if (MayRepeat(request, target, response) && Wait(() => TryRenewAsync(request, token, cancellationToken), cancellationToken) is { } renewed)
            {
                response.Dispose();
                token = renewed;
                response = base.Send(request, cancellationToken);
            }

            return Judge(request, target, token, response);
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    // A request passes untouched when OAuth2 is off, and when its caller authenticates it otherwise. A header from here, on a message
    // that a retry policy outside sends again, is no caller's: it is replaced by the current token.
    private bool IsOurs(HttpRequestMessage request)
    {
        if (!_registration.Options.Enabled)
            return false;

        if (request.Headers.NonValidated.Count == 0)
            return true;

        AuthenticationHeaderValue? present = request.Headers.Authorization;
        bool isForeign = present is null
            ? request.Headers.NonValidated.Contains("Authorization")
            : present is not AttachedHeader && !_registration.HasSent(present.Parameter);
        if (isForeign)
            _registration.LogForeignOnce(request.RequestUri);
        return !isForeign;
    }

    // Origin, token, budget, header; null when anything of it has to wait.
    private M3AccessToken? TryPrepare(HttpRequestMessage request, out int? permits)
    {
        _registration.Origins.Check(request);
        RequestBudget budget = _registration.Budget;
        permits = budget.CountPermits(request);
        // The one look at the clocks: nothing is waited for from here on.
        Moment now = _registration.Clock.Now;
        if (permits is not { } count || (count > 0 && budget.MayWait) || _registration.OwnTokens?.TryGetCached(now) is not { } token)
            return null;
        if (count > 0)
            budget.Take(token.Subject, count, now.Monotonic);

        Attach(request, token);
        return token;
    }

    private void Attach(HttpRequestMessage request, M3AccessToken token)
    {
        request.Headers.Authorization = token.Header;
        _registration.RememberSent(token);
        if (_registration.Log.Debug)
        {
            _registration.Log.Sending(request.Method.ToString(), Origin.Describe(request.RequestUri), token.Subject, token.ExpiresAt,
                _registration.Budget.Describe(token.Subject));
        }
    }

    // Once, and only where the same request would go to the same place with the same body.
    private static bool MayRepeat(HttpRequestMessage request, Uri? target, HttpResponseMessage response) =>
        response.StatusCode == HttpStatusCode.Unauthorized && Reached(request, target, response) == target
        && request.Content is null or ByteArrayContent or ReadOnlyMemoryContent or JsonContent;

    private async ValueTask<M3AccessToken?> TryRenewAsync(HttpRequestMessage request, M3AccessToken rejected, CancellationToken cancellationToken)
    {
        try
        {
            M3AccessToken renewed = await _registration.Tokens.RenewTokenAsync(rejected, cancellationToken).ConfigureAwait(false);
            if (renewed.Value == rejected.Value)
                return null;
            Attach(request, renewed);
            return renewed;
        }
        catch (M3AuthException e)
        {
            // M3's own words say more about this call than why there is no other token.
            _registration.Refused(e);
            return null;
        }
    }

    private HttpResponseMessage Judge(HttpRequestMessage request, Uri? target, M3AccessToken token, HttpResponseMessage response)
    {
        Uri? reached = Reached(request, target, response);
        if (response.StatusCode == HttpStatusCode.TooManyRequests && response.Headers.RetryAfter is { } retryAfter && reached == target)
            _registration.Budget.Pause(retryAfter);

        M3AuthException? error = response.StatusCode == HttpStatusCode.Unauthorized && reached != target
            ? M3Answer.AfterRedirect(response, target, reached)
            : M3Answer.ReadRefusal(response, token, _registration.Options.RequiredScopes);
        if (error is null)
            return response;
        if (_registration.Options.ThrowOnRejection)
            throw error;

        error.Prefix = _registration.Options.Prefix;
        response.RequestMessage?.Options.Set(M3Answer.ErrorKey, (response, error));
        return response;
    }

    // Where the answer comes from. A handler that follows redirects says it in its answer, or in the message alone, or in both.
    private static Uri? Reached(HttpRequestMessage request, Uri? target, HttpResponseMessage response) =>
        response.RequestMessage?.RequestUri is { } reached && reached != target ? reached : request.RequestUri;

    // It begins on the caller's thread, so that what is at hand needs no thread of the pool, and without the caller's synchronization
    // context, which nobody serves meanwhile. The bound is our own: on a pool without a free thread HttpClient's timeout never fires.
    private T Wait<T>(Func<ValueTask<T>> work, CancellationToken cancellationToken)
    {
        SynchronizationContext? context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        ValueTask<T> pending;
        try
        {
            // A provider of the user's may do anything, its caller's scheduler included.
            pending = _registration.OwnTokens is null ? new(Task.Run(() => work().AsTask(), CancellationToken.None)) : work();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }

        if (pending.IsCompleted)
            return pending.GetAwaiter().GetResult();

        Task<T> waiting = pending.AsTask();
        try
        {
            if (Task.WaitAny([waiting], (int)_registration.LongestSynchronousWait.TotalMilliseconds, cancellationToken) < 0)
            {
                throw new TokenRequestFailedException($"no token within {Duration.Describe(_registration.LongestSynchronousWait)} "
                    + "(a synchronous call blocks its thread: with none left in the pool, nothing that it waits for can go on)", isTransient: true);
            }
        }
        catch
        {
            Detached.Abandon(waiting);
            throw;
        }

        return waiting.GetAwaiter().GetResult();
    }
}
