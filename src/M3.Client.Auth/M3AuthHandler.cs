using System.Net;
using System.Net.Http.Headers;
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
    private readonly IDisposable? _owned;

    /// <summary>Makes a handler with a token provider of its own, which is disposed with it.</summary>
    /// <param name="options">The settings; copied.</param>
    /// <param name="loggerFactory">Where to log; null: nowhere, or to standard error with <see cref="M3AuthOptions.Debug"/>.</param>
    /// <exception cref="OptionsValidationException">The settings are wrong; every failure names its setting.</exception>
    public M3AuthHandler(M3AuthOptions options, ILoggerFactory? loggerFactory = null)
        : this(Register(new M3TokenProvider(options, loggerFactory), options, loggerFactory)) => _owned = (M3TokenProvider)_registration.Tokens;

    /// <summary>Makes a handler whose tokens come from a provider that others may share; it is not disposed.</summary>
    /// <param name="tokens">Supplies the tokens.</param>
    /// <param name="options">The settings for sending (origins, budget); who issues the tokens is the provider's business.</param>
    /// <param name="loggerFactory">Where to log; null: nowhere, or to standard error with <see cref="M3AuthOptions.Debug"/>.</param>
    /// <exception cref="OptionsValidationException">The settings are wrong; every failure names its setting.</exception>
    public M3AuthHandler(IM3TokenProvider tokens, M3AuthOptions options, ILoggerFactory? loggerFactory = null)
        : this(new M3AuthRegistration(tokens, options, loggerFactory)) => _owned = _registration.Telemetry;

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

        // The whole walk without a state machine, when the token is cached, a permit at hand, and the answer an ordinary one.
        Uri? target = request.RequestUri;
        AdmittedRequest admitted = default;
        try
        {
            Origin origin = _registration.Origins.Check(request);
            int? calls = null;
            if (!_registration.Admission.TryAdmit(request, origin, ref calls, out admitted))
                return WalkAsync(request, origin, calls, async: true, cancellationToken);

            Attach(request, admitted.Token, origin);
            Task<HttpResponseMessage> sending = base.SendAsync(request, cancellationToken);
            if (!sending.IsCompletedSuccessfully || M3Answer.NeedsReading(sending.Result))
                return ReadAnswerAsync(request, origin, target, admitted, sending, cancellationToken);
            admitted.Answered(sending.Result, _registration.Options.TimeProvider);
            return sending;
        }
        catch (Exception e)
        {
            return Task.FromException<HttpResponseMessage>(Fail(e, admitted, target));
        }
    }

    /// <inheritdoc />
    /// <exception cref="M3AuthException">The request was not sent, or M3 refused its token; the type says why.</exception>
    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        cancellationToken.ThrowIfCancellationRequested();
        if (!IsOurs(request))
            return base.Send(request, cancellationToken);

        // It has ended when it returns: whatever waits in it waits on this thread.
        return WalkAsync(request, trusted: null, calls: null, async: false, cancellationToken).GetAwaiter().GetResult();
    }

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _owned?.Dispose();
        base.Dispose(disposing);
    }

    private static M3AuthRegistration Register(M3TokenProvider tokens, M3AuthOptions options, ILoggerFactory? loggerFactory) =>
        new(tokens, options, loggerFactory, telemetry: tokens.Telemetry);

    // Token, budget, header, send, read the answer: where something has to be waited for, or all of it on the caller's thread.
    private async Task<HttpResponseMessage> WalkAsync(HttpRequestMessage request, Origin? trusted, int? calls, bool async, CancellationToken cancellationToken)
    {
        Uri? target = request.RequestUri;
        AdmittedRequest admitted = default;
        try
        {
            // Asynchronously both were tried already.
            Origin origin = trusted ?? _registration.Origins.Check(request);
            if (async || !_registration.Admission.TryAdmit(request, origin, ref calls, out admitted))
            {
                M3AccessToken token = async
                    ? await _registration.Tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false)
                    : GetTokenOnThisThread(cancellationToken);
                if (!_registration.Admission.TryAdmit(request, origin, token, ref calls, out admitted))
                {
                    admitted = async
                        ? await _registration.Admission.AdmitAsync(request, origin, token, calls, cancellationToken).ConfigureAwait(false)
                        : AdmitOnThisThread(request, origin, token, calls, cancellationToken);
                }
            }

            Attach(request, admitted.Token, origin);
            HttpResponseMessage response = async
                ? await base.SendAsync(request, cancellationToken).ConfigureAwait(false)
                : base.Send(request, cancellationToken);
            if (M3Answer.NeedsReading(response))
                return await ReadRefusalAsync(request, origin, target, admitted, response, async, cancellationToken).ConfigureAwait(false);
            admitted.Answered(response, _registration.Options.TimeProvider);
            return response;
        }
        catch (Exception e)
        {
            Fail(e, admitted, target);
            throw;
        }
    }

    // The end of the walk for an answer that comes later: one small state machine.
    private async Task<HttpResponseMessage> ReadAnswerAsync(HttpRequestMessage request, Origin origin, Uri? target, AdmittedRequest admitted,
        Task<HttpResponseMessage> sending, CancellationToken cancellationToken)
    {
        try
        {
            HttpResponseMessage response = await sending.ConfigureAwait(false);
            if (M3Answer.NeedsReading(response))
                return await ReadRefusalAsync(request, origin, target, admitted, response, async: true, cancellationToken).ConfigureAwait(false);
            admitted.Answered(response, _registration.Options.TimeProvider);
            return response;
        }
        catch (Exception e)
        {
            Fail(e, admitted, target);
            throw;
        }
    }

    // The one retry after a 401 is free: the call keeps its permit.
    private async Task<HttpResponseMessage> ReadRefusalAsync(HttpRequestMessage request, Origin origin, Uri? target, AdmittedRequest admitted,
        HttpResponseMessage response, bool async, CancellationToken cancellationToken)
    {
        M3AccessToken token = admitted.Token;
        try
        {
            if (M3Answer.MayRepeat(request, target, response))
            {
                M3AccessToken? renewed = async
                    ? await TryRenewAsync(token, cancellationToken).ConfigureAwait(false)
                    : RenewOnThisThread(token, cancellationToken);
                if (renewed is not null)
                {
                    response.Dispose();
                    _registration.Telemetry.Retried();
                    token = renewed;
                    Attach(request, token, origin);
                    response = async
                        ? await base.SendAsync(request, cancellationToken).ConfigureAwait(false)
                        : base.Send(request, cancellationToken);
                }
            }

            M3AuthException? error = ProcessResponse(request, origin, target, token, response);
            if (error is not null && _registration.Options.ThrowOnRejection)
                throw error;
            admitted.Answered(response, _registration.Options.TimeProvider);
            return response;
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    // The caller's exception, once what the request held is given back. Every failure leaves through here.
    private Exception Fail(Exception failure, AdmittedRequest admitted, Uri? target)
    {
        admitted.Failed(failure);
        if (failure is M3AuthException refusal)
            _registration.Refused(refusal, target);
        return failure;
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

    private void Attach(HttpRequestMessage request, M3AccessToken token, Origin origin)
    {
        if (token.OnlyFor is { } only)
            OriginGuard.Confine(request, only);
        request.Headers.Authorization = token.Header;
        _registration.RememberSent(token);
        _registration.Telemetry.Attached();
        if (_registration.Log.Debug)
        {
            _registration.Log.Sending(request.Method.ToString(), origin.ToString(), token.Subject, token.ExpiresAt,
                _registration.Admission.BudgetOf(origin)?.Describe(token.Subject) ?? "off");
        }
    }

    private async Task<M3AccessToken?> TryRenewAsync(M3AccessToken rejected, CancellationToken cancellationToken)
    {
        try
        {
            M3AccessToken renewed = await _registration.Tokens.RenewTokenAsync(rejected, cancellationToken).ConfigureAwait(false);
            return renewed.Value == rejected.Value ? null : renewed;
        }
        catch (M3AuthException e)
        {
            // M3's own words say more about this call than why there is no other token.
            _registration.Explain(e);
            return null;
        }
    }

    // The error of a refusal; null: the answer is the caller's.
    private M3AuthException? ProcessResponse(HttpRequestMessage request, Origin origin, Uri? target, M3AccessToken token, HttpResponseMessage response)
    {
        Uri? reached = M3Answer.ReachedUri(request, target, response);
        if (response.StatusCode == HttpStatusCode.TooManyRequests && response.Headers.RetryAfter is { } retryAfter && reached == target)
            _registration.Admission.BudgetOf(origin)?.Pause(retryAfter, _registration.Options.TimeProvider.GetUtcNow());

        M3AuthException? error = response.StatusCode == HttpStatusCode.Unauthorized && reached != target
            ? M3Answer.AfterRedirect(response, target, reached)
            : M3Answer.ReadRefusal(response, token, _registration.Options.RequiredScopes);
        if (error is not null && !_registration.Options.ThrowOnRejection)
        {
            _registration.Refused(error, target);
            response.RequestMessage?.Options.Set(M3Answer.ErrorKey, (response, error));
        }

        return error;
    }

    private M3AccessToken GetTokenOnThisThread(CancellationToken cancellationToken) =>
        Wait(() => _registration.Tokens.GetTokenAsync(cancellationToken).AsTask(), cancellationToken);

    private AdmittedRequest AdmitOnThisThread(HttpRequestMessage request, Origin origin, M3AccessToken token, int? calls, CancellationToken cancellationToken) =>
        Wait(() => _registration.Admission.AdmitAsync(request, origin, token, calls, cancellationToken), cancellationToken);

    private M3AccessToken? RenewOnThisThread(M3AccessToken rejected, CancellationToken cancellationToken) =>
        Wait(() => TryRenewAsync(rejected, cancellationToken), cancellationToken);

    private T Wait<T>(Func<Task<T>> work, CancellationToken cancellationToken) =>
        SynchronousWait.For(work, _registration.Admission.HasOwnTokens, _registration.LongestSynchronousWait, cancellationToken);
}
