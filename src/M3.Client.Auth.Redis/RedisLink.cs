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
    private bool _isAway;

    public RedisLink(IConnectionMultiplexer connection, M3AuthRedisOptions options, TimeProvider timeProvider, Log log)
    {
        (_connection, _options, _timeProvider, _log) = (connection, options, timeProvider, log);
        _clock = new MonotonicClock(timeProvider);
        _epochKey = Key("epoch");
        connection.ConnectionRestored += OnRestored;
    }

    /// <summary>How long ago it was seen that Redis has its data.</summary>
    public TimeSpan SinceSeen => new(_clock.Now - Volatile.Read(ref _seenAt));

    /// <summary>How often a process with permits looks: twice at least within the time that all have to write theirs anew.</summary>
    public TimeSpan LookInterval => TimeSpan.FromTicks(Math.Min(_options.RecoveryTime.Ticks / 3, _options.LongestHold.Ticks / 6));

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

    /// <summary>Runs a script; where the epoch is another, writes this process's permits anew, and runs it again.</summary>
    /// <param name="script">One of <see cref="RedisScripts"/>.</param>
    /// <param name="keys">Its keys behind the epoch's.</param>
    /// <param name="window">Of the budget that it is about.</param>
    /// <param name="arguments">Its arguments from the fifth on.</param>
    /// <param name="isProbe">Whether Redis is asked although it did not answer a moment ago.</param>
    /// <returns>Null: Redis is away. The script may run all the same.</returns>
    public async Task<RedisResult[]?> RunAsync(string script, RedisKey[] keys, TimeSpan window, RedisValue[] arguments, bool isProbe = false)
    {
        if (!isProbe && Volatile.Read(ref _awayUntil) > _clock.Now)
            return null;
        for (int attempt = 0; attempt < 3; attempt++)
        {
            if (await AskAsync(script, keys, window, arguments).ConfigureAwait(false) is not { } answer)
                return null;
            if ((string?)answer[0] != RedisScripts.Lost)
            {
                Volatile.Write(ref _seenAt, _clock.Now);
                return answer;
            }

            if (!await AdoptAsync((string)answer[1]!, (long)answer[2]).ConfigureAwait(false))
                return null;
        }

        return null;
    }

    public async ValueTask DisposeAsync()
    {
        _connection.ConnectionRestored -= OnRestored;
        await _disposed.CancelAsync().ConfigureAwait(false);
        if (_watching is { } watching)
            await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (RedisPermitPool pool in _pools)
            await pool.TidyAsync(isLast: true).ConfigureAwait(false);
    }

    /// <summary>Asks Redis for something that a call can do without, unless it did not answer a moment ago.</summary>
    /// <param name="ask">Asks it.</param>
    /// <returns>Whether it answered, and what. What it did not answer may happen all the same.</returns>
    public async Task<(bool IsAnswered, T? Answer)> TryAsync<T>(Func<IDatabase, Task<T>> ask)
    {
        if (Volatile.Read(ref _awayUntil) > _clock.Now)
            return default;
        try
        {
            return await AskAsync(ask).ConfigureAwait(false);
        }
        catch (RedisServerException)
        {
            // It is there, and says no: it is full, say.
            return default;
        }
    }

    private async Task<(bool IsAnswered, T? Answer)> AskAsync<T>(Func<IDatabase, Task<T>> ask)
    {
        Task<T>? asking = null;
        try
        {
            asking = ask(_connection.GetDatabase());
            T answer = await asking.WaitAsync(_options.Timeout, _timeProvider).ConfigureAwait(false);
            NoteAnswer();
            return (true, answer);
        }
        catch (Exception e) when (e is RedisException and not RedisServerException or TimeoutException or ObjectDisposedException)
        {
            Detached.Abandon(asking);
            NoteFailure(e);
            return default;
        }
    }

    private async Task<RedisResult[]?> AskAsync(string script, RedisKey[] keys, TimeSpan window, RedisValue[] arguments)
    {
        RedisValue[] all;
        lock (_gate)
            all = [_epochName, _epochNumber, NewId(), (long)Recovery(window).TotalMilliseconds, .. arguments];
        try
        {
            (_, RedisResult? answer) = await AskAsync(redis => redis.ScriptEvaluateAsync(script, [_epochKey, .. keys], all)).ConfigureAwait(false);
            return (RedisResult[]?)answer;
        }
        catch (RedisServerException e)
        {
            // What can be read only grants nothing.
            NoteFailure(e);
            return null;
        }
    }

    /// <summary>Remembers how far the epoch's number has come.</summary>
    public void NoteNumber(long number)
    {
        lock (_gate)
            _epochNumber = Math.Max(_epochNumber, number);
    }

    // Whoever finds another epoch first writes everything that this process holds; the others find it written.
    private async Task<bool> AdoptAsync(string name, long number)
    {
        lock (_gate)
        {
            if (_epochName == name)
                return true;
            (_epochName, _epochNumber) = (name, number);
        }

        bool areAllWritten = true;
        foreach (RedisPermitPool pool in _pools)
            areAllWritten &= await pool.WriteAllAsync().ConfigureAwait(false);
        return areAllWritten;
    }

    private void NoteAnswer()
    {
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

    private void OnRestored(object? sender, ConnectionFailedEventArgs e) => Wake();

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
            using var timer = new CancellationTokenSource(LookInterval, _timeProvider);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, _disposed.Token);
            await _wake.WaitAsync(either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_disposed.IsCancellationRequested)
                return;
            foreach (RedisPermitPool pool in _pools)
                await pool.TidyAsync(isLast: false).ConfigureAwait(false);
        }
    }
}
