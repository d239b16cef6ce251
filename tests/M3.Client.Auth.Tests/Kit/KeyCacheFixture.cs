using System.Diagnostics;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Kit;

/// <summary>The key cache and the validator alone, between an issuer and a clock.</summary>
internal sealed class KeyCacheFixture : IDisposable
{
    /// <summary>How long a test waits for what takes no fake time, so that a fetch which never ends fails one test and holds up none.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Backchannel _backchannel;
    private readonly Telemetry _telemetry;

    /// <param name="configure">Changes the settings.</param>
    /// <param name="handler">Stands in for the issuer's backchannel.</param>
    public KeyCacheFixture(Action<M3AuthOptions>? configure = null, HttpMessageHandler? handler = null, string issuerUrl = FakeIssuer.Url)
    {
        Issuer = new FakeIssuer(issuerUrl);
        var options = new M3AuthOptions
        {
            IssuerUrl = issuerUrl,
            Audience = ClientFixture.Audience,
            BackchannelHttpHandler = handler ?? Issuer.Backchannel,
            TimeProvider = Clock,
            Debug = true,
        };
        configure?.Invoke(options);
        var log = new Log(Log, clientName: null, options.Debug, Clock);
        _telemetry = new Telemetry(clientName: null, Instruments.Shared, Clock);
        _backchannel = new Backchannel(options.BackchannelHttpHandler, Clock);
        Cache = new JwksCache(options.JwksCacheTtl, options.TimeProvider, _backchannel, new IssuerMetadata(options.ToIssuerSettings(), options.TimeProvider, _backchannel), log, _telemetry);
        Validator = new TokenValidator(options.ToValidationRules(), options.TimeProvider, Cache, _backchannel);
    }

    public FakeTimeProvider Clock { get; } = new(ClientFixture.Noon);

    public FakeIssuer Issuer { get; }

    public RecordingLoggerFactory Log { get; } = new();

    public JwksCache Cache { get; }

    public TokenValidator Validator { get; }

    public DateTimeOffset Now => Clock.GetUtcNow();

    public void Advance(double seconds) => Clock.Advance(TimeSpan.FromSeconds(seconds));

    public Task<KeySet> GetAsync(CancellationToken cancellationToken = default) => Cache.GetAsync(cancellationToken).AsTask().WaitAsync(Patience, CancellationToken.None);

    public async Task<M3AccessToken> ValidateAsync(string token, CancellationToken cancellationToken = default) =>
        (await Validator.ValidateAsync(ParsedJwt.Parse(token), cancellationToken).WaitAsync(Patience, CancellationToken.None)).Token;

    /// <summary>The verdict: null when the token is valid. Whatever is no <see cref="M3AuthException"/> fails the test.</summary>
    public async Task<M3AuthException?> JudgeAsync(string token)
    {
        try
        {
            await ValidateAsync(token);
            return null;
        }
        catch (M3AuthException e)
        {
            return e;
        }
    }

    /// <summary>A token under a <c>kid</c> that the issuer does not publish.</summary>
    public string TokenUnder(string kid) => Issuer.Token(Now, header: header => header["kid"] = kid);

    /// <summary>From then on a token that fits no key makes the issuer be asked again half a minute later at the earliest.</summary>
    public async Task UseUpRefetchesAsync()
    {
        for (int i = 0; i < 2; i++)
            await JudgeAsync(TokenUnder("nobody's"));
    }

    /// <summary>Holds the issuer's next answers with keys back until they are let go; what they say is settled then, too.</summary>
    public HeldAnswer HoldKeys()
    {
        var held = new HeldAnswer(Issuer.AnswerJwks);
        Issuer.AnswerJwks = held.AnswerAsync;
        return held;
    }

    /// <summary>Waits for a fetch that began at this moment of the clock, if one did.</summary>
    public Task SettleAsync() => UntilAsync(() => Cache.NextCheck.UtcTicks != (Now + Backchannel.Timeout).UtcTicks, "the fetch is over");

    /// <summary>Waits for what takes no fake time, and fails with a sentence when it never ends.</summary>
    public static async Task EndAsync(Task task, string what)
    {
        Task first = await Task.WhenAny(task, Task.Delay(Patience));
        Assert.That(first, Is.SameAs(task), $"it never came true: {what}");
        await task;
    }

    /// <summary>Waits for what happens in the background, which takes no fake time.</summary>
    public static Task UntilAsync(Func<bool> isSo, string what) => UntilAsync(() => Task.FromResult(isSo()), what);

    /// <inheritdoc cref="UntilAsync(Func{bool}, string)"/>
    public static async Task UntilAsync(Func<Task<bool>> isSo, string what)
    {
        var patience = Stopwatch.StartNew();
        while (!await isSo())
        {
            Assert.That(patience.Elapsed, Is.LessThan(Patience), $"it never came true: {what}");
            // Behind whatever else waits for a thread; Task.Yield() would come back before it.
            var turn = new TaskCompletionSource();
            ThreadPool.QueueUserWorkItem(mine => mine.SetResult(), turn, preferLocal: false);
            await turn.Task;
        }
    }

    public void Dispose()
    {
        Cache.Dispose();
        _telemetry.Dispose();
        _backchannel.Dispose();
        Issuer.Backchannel.Dispose();
        Log.Dispose();
    }
}

/// <summary>An answer that waits; it ignores that its request was cancelled, as some handlers do.</summary>
internal sealed class HeldAnswer(Func<HttpRequestMessage, Task<HttpResponseMessage>> answer)
{
    private readonly TaskCompletionSource _arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly TaskCompletionSource _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Arrived => _arrived.Task.WaitAsync(KeyCacheFixture.Patience);

    public Task Answered => _answered.Task.WaitAsync(KeyCacheFixture.Patience);

    public void Release() => _released.SetResult();

    public async Task<HttpResponseMessage> AnswerAsync(HttpRequestMessage request)
    {
        _arrived.TrySetResult();
        await _released.Task;
        HttpResponseMessage response = await answer(request);
        _answered.TrySetResult();
        return response;
    }
}
