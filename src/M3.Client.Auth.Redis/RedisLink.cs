using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using StackExchange.Redis;

namespace M3.Client.Auth;

/// <summary>
/// This process's way to Redis: bounded in time, and closed for a while when it was in vain. It knows the epoch, and looks at it again and again as long as
/// this process holds permits, so that it writes them anew when Redis has lost them.
/// </summary>
internal sealed class RedisLink : IAsyncDisposable
{
    // What keeps a process whose Redis is away from having each call wait for it.
    private static readonly TimeSpan Away = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan RewriteInterval = TimeSpan.FromMilliseconds(100);

    private readonly IConnectionMultiplexer _connection;
    private readonly M3AuthRedisOptions _options;
    private readonly TimeProvider _timeProvider;
    private readonly MonotonicClock _clock;
    private readonly ConcurrentBag<RedisPermitPool> _pools = [];
    private readonly CancellationTokenSource _disposed = new();
    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly Lock _gate = new();
    private readonly string _process = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
    private readonly RedisKey _epochKey;
    private readonly Log _log;
    private Task? _watching;
    private string _epochName = "";
    private long _epochNumber;
    private long _awayUntil;
    private long _seenAt;
    private long _lastId;
    private int _rewrites;
    private bool _isAway;
    private bool _mustRewrite;

    public RedisLink(IConnectionMultiplexer connection, M3AuthRedisOptions options, TimeProvider timeProvider, Log log)
    {
        (_connection, _options, _timeProvider, _log) = (connection, options, timeProvider, log);
        _clock = new MonotonicClock(timeProvider);
        _epochKey = Key("epoch");
        connection.ConnectionRestored += OnRestored;
        connection.ConfigurationChanged += OnChanged;
    }

    /// <summary>How long ago it was seen that Redis has its data.</summary>
    public TimeSpan SinceSeen => new(_clock.Now - Volatile.Read(ref _seenAt));

    /// <summary>How often a process with permits looks: twice at least within the time that all have to write theirs anew.</summary>
    public TimeSpan LookInterval => TimeSpan.FromTicks(Math.Min(_options.RecoveryTime.Ticks / 3, _options.LongestHold.Ticks / 6));

    public bool IsDisposed => _disposed.IsCancellationRequested;

    /// <summary>Whether Redis did not answer when it was asked last.</summary>
    public bool IsAway => Volatile.Read(ref _isAway);

    private TimeSpan Recovery(TimeSpan window) => _options.OnDataLoss == DataLoss.WaitWindow ? window + _options.LongestHold : _options.RecoveryTime;

    public RedisKey Key(string name) => $"{{{_options.KeyPrefix}}}:{name}";

    /// <summary>What stands in Redis instead of names that are nobody's business.</summary>
    public static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..32];

    /// <summary>A name that nobody else has.</summary>
    public string NewId() => string.Create(CultureInfo.InvariantCulture, $"{_process}:{Interlocked.Increment(ref _lastId)}");

    /// <summary>Has a pool's permits looked after.</summary>
    public void Watch(RedisPermitPool pool)
    {
        _pools.Add(pool);
        lock (_gate)
            _watching ??= Detached.Run(WatchAsync);
    }

    /// <summary>Runs a script, unless Redis did not answer a moment ago, or this process still has to write what Redis has lost.</summary>
    /// <param name="script">One of <see cref="RedisScripts"/>.</param>
    /// <param name="keys">Its keys behind the epoch's.</param>
    /// <param name="window">Of the budget that it is about.</param>
    /// <param name="arguments">Its arguments from the fifth on.</param>
    /// <param name="isProbe">Whether it runs all the same.</param>
    public async Task<RedisAnswer> RunAsync(string script, RedisKey[] keys, TimeSpan window, RedisValue[] arguments, bool isProbe = false)
    {
        if (!isProbe && Volatile.Read(ref _awayUntil) > _clock.Now)
            return default;
        if (!isProbe && Volatile.Read(ref _mustRewrite))
            return new RedisAnswer(null, IsLost: true);
        // With nothing to write anew another epoch is as good: at the first call of all, say.
        RedisAnswer answer;
        int attempt = 0;
        do
            answer = await AskAsync(script, keys, window, arguments).ConfigureAwait(false);
        while (answer.IsLost && !Volatile.Read(ref _mustRewrite) && ++attempt < 3);
        return answer;
    }

    /// <summary>Permits were granted: remembers how far the epoch's number has come. Where it has become another one meanwhile, what was granted is lost.</summary>
    public void NoteGrant(string epoch, long number)
    {
        lock (_gate)
        {
            if (_epochName == epoch)
                _epochNumber = Math.Max(_epochNumber, number);
            else
                Rewrite();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _connection.ConnectionRestored -= OnRestored;
        _connection.ConfigurationChanged -= OnChanged;
        await _disposed.CancelAsync().ConfigureAwait(false);
        if (_watching is { } watching)
            await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (RedisPermitPool pool in _pools)
        {
            if (!await pool.TidyAsync(isLast: true).ConfigureAwait(false))
                return;
        }
    }

    /// <summary>Asks Redis something that a call can do without, within a bound; where it fails, what is asked goes without it.</summary>
    /// <returns>Whether it answered, and what. What it did not answer may happen all the same.</returns>
    public async Task<(bool IsAnswered, T? Answer)> TryAsync<T>(Func<IDatabase, Task<T>> ask, TimeSpan timeout)
    {
        Task<T>? asking = null;
        try
        {
            asking = ask(_connection.GetDatabase());
            return (true, await asking.WaitAsync(timeout, _timeProvider).ConfigureAwait(false));
        }
        catch (Exception)
        {
            Detached.Abandon(asking);
            return default;
        }
    }

    private async Task<RedisAnswer> AskAsync(string script, RedisKey[] keys, TimeSpan window, RedisValue[] arguments)
    {
        Task<RedisResult>? asking = null;
        string epoch;
        RedisValue[] all;
        lock (_gate)
            (epoch, all) = (_epochName, [_epochName, _epochNumber, NewId(), (long)Recovery(window).TotalMilliseconds, .. arguments]);
        try
        {
            asking = _connection.GetDatabase().ScriptEvaluateAsync(script, [_epochKey, .. keys], all);
            var values = (RedisResult[])(await asking.WaitAsync(_options.Timeout, _timeProvider).ConfigureAwait(false))!;
            NoteAnswer();
            if ((string?)values[0] != RedisScripts.Lost)
                return new RedisAnswer(values, Epoch: epoch);
            Adopt((string)values[1]!, (long)values[2]);
            return new RedisAnswer(null, IsLost: true);
        }
        catch (Exception e)
        {
            Detached.Abandon(asking);
            NoteFailure(e);
            // One that says no has done nothing, and neither has one that was never asked.
            return new RedisAnswer(null, MayRun: e is not (RedisServerException or RedisCommandException or RedisConnectionException { FailureType: ConnectionFailureType.UnableToResolvePhysicalConnection }));
        }
    }

    private void Adopt(string name, long number)
    {
        lock (_gate)
        {
            if (_epochName == name)
                return;
            (_epochName, _epochNumber) = (name, number);
            if (_pools.Any(pool => pool.HoldsAny))
                Rewrite();
        }
    }

    // Until Redis has heard of everything that this process holds, it is granted no more.
    private void Rewrite()
    {
        _rewrites++;
        Volatile.Write(ref _mustRewrite, true);
        Wake();
    }

    private async Task RewriteAsync()
    {
        int rewrites = Volatile.Read(ref _rewrites);
        foreach (RedisPermitPool pool in _pools)
        {
            if (!await pool.WriteAllAsync().ConfigureAwait(false))
                return;
        }

        lock (_gate)
        {
            // It may have been lost once more.
            if (_rewrites == rewrites)
                Volatile.Write(ref _mustRewrite, false);
        }
    }

    private void NoteAnswer()
    {
        Volatile.Write(ref _seenAt, _clock.Now);
        Volatile.Write(ref _awayUntil, 0);
        if (Interlocked.Exchange(ref _isAway, false))
            _log.SharedStateBack();
    }

    private void NoteFailure(Exception e)
    {
        Volatile.Write(ref _awayUntil, _clock.Now + Away.Ticks);
        if (!_disposed.IsCancellationRequested && !Interlocked.Exchange(ref _isAway, true))
            _log.SharedStateAway(e.GetType().Name);
    }

    private void OnRestored(object? sender, ConnectionFailedEventArgs e) => OnOther();

    private void OnChanged(object? sender, EndPointEventArgs e) => OnOther();

    // It may be another server now, which has not heard all, and whose numbers are as high as those of before.
    private void OnOther()
    {
        lock (_gate)
        {
            if (_epochName.Length > 0 && _pools.Any(pool => pool.HoldsAny))
                Rewrite();
        }
    }

    private void Wake()
    {
        try
        {
            _wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is awake already.
        }
    }

    private async Task WatchAsync()
    {
        while (!_disposed.IsCancellationRequested)
        {
            using var timer = new CancellationTokenSource(Volatile.Read(ref _mustRewrite) ? RewriteInterval : LookInterval, _timeProvider);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, _disposed.Token);
            await _wake.WaitAsync(either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_disposed.IsCancellationRequested)
                return;
            try
            {
                await LookRoundAsync().ConfigureAwait(false);
            }
            catch (Exception e)
            {
                // Whatever it is that answered so: the next round comes.
                NoteFailure(e);
            }
        }
    }

    private async Task LookRoundAsync()
    {
        if (Volatile.Read(ref _mustRewrite))
            await RewriteAsync().ConfigureAwait(false);
        foreach (RedisPermitPool pool in _pools)
        {
            if (!await pool.TidyAsync(isLast: false).ConfigureAwait(false))
                return;
        }
    }
}
