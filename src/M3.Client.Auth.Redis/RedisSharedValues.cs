using System.Collections.Concurrent;
using Microsoft.AspNetCore.DataProtection;
using StackExchange.Redis;

namespace M3.Client.Auth;

/// <summary>Tokens and keys that processes share over Redis: one of them fetches, and the others wait for what it seals.</summary>
/// <remarks>Without Redis, or where it takes too long, each process fetches for itself, as if nothing was shared.</remarks>
internal sealed class RedisSharedValues(RedisLink link, IDataProtectionProvider dataProtection, TimeProvider timeProvider, Log log, Telemetry telemetry) : SharedValues
{
    // The largest JWKS, sealed.
    private const int LongestValue = 2 << 20;

    // Whoever fetches says so again and again; who has died is no longer waited for.
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestAsk = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Away = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan FirstNap = TimeSpan.FromMilliseconds(40);
    private static readonly TimeSpan LongestNap = TimeSpan.FromMilliseconds(500);

    private readonly MonotonicClock _clock = new(timeProvider);
    private readonly ConcurrentDictionary<string, SealedValues> _sealedByName = new(StringComparer.Ordinal);
    private string? _lastProblem;
    private long _awayUntil;

    public override async Task<SharedValue> GetAsync(
        SharedPurpose purpose, Func<SharedValue, bool> isGood, TimeSpan patience, Func<CancellationToken, Task<SharedValue>> fetch, CancellationToken cancellationToken)
    {
        string name = RedisLink.Hash(purpose.Name);
        var place = new Place(purpose.Kind, link.Key($"value:{purpose.Kind}:{name}"), link.Key($"fetch:{purpose.Kind}:{name}"),
            _sealedByName.GetOrAdd(name, static (_, of) => new SealedValues(of.dataProtection, of.purpose), (dataProtection, purpose)));

        long until = _clock.Now + patience.Ticks;
        TimeSpan nap = FirstNap;
        while (true)
        {
            if (await ReadAsync(place).ConfigureAwait(false) is { Value: { } shared } && isGood(shared))
                return Told(place, "used", shared);

            string id = link.NewId();
            (bool isAnswered, bool isMine) = await TryAsync(redis => redis.StringSetAsync(place.Lock, id, Lease, When.NotExists)).ConfigureAwait(false);
            if (isMine)
                return await FetchForAllAsync(place, id, isGood, fetch, cancellationToken).ConfigureAwait(false);
            if (!isAnswered || _clock.Now >= until)
                return await FetchAsync(place, fetch, cancellationToken).ConfigureAwait(false);
            // Ten thousand may wait for one.
            await Task.Delay(nap * (1 + Random.Shared.NextDouble()), timeProvider, cancellationToken).ConfigureAwait(false);
            nap = nap * 2 < LongestNap ? nap * 2 : LongestNap;
        }
    }

    private async Task<SharedValue> FetchForAllAsync(
        Place place, string id, Func<SharedValue, bool> isGood, Func<CancellationToken, Task<SharedValue>> fetch, CancellationToken cancellationToken)
    {
        using var done = new CancellationTokenSource();
        Task prolonging = Detached.Run(() => ProlongAsync(place.Lock, id, done.Token));
        try
        {
            // It may have come between the last look and the lock.
            return await ReadAsync(place).ConfigureAwait(false) is { Value: { } shared } && isGood(shared)
                ? Told(place, "used", shared)
                : await FetchAsync(place, fetch, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await done.CancelAsync().ConfigureAwait(false);
            await prolonging.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _ = Detached.Run(() => TryAsync(redis => redis.ScriptEvaluateAsync(RedisScripts.Unlock, [place.Lock], [id])));
        }
    }

    private async Task<SharedValue> FetchAsync(Place place, Func<CancellationToken, Task<SharedValue>> fetch, CancellationToken cancellationToken)
    {
        DateTimeOffset newest = place.Sealing.Newest;
        SharedValue value = await fetch(cancellationToken).ConfigureAwait(false);
        telemetry.SharedRead(place.Kind, "fetched");
        // What was fetched after another one had been seen is the newer one, even if that came from a machine whose clock is ahead.
        if (value.FetchedAt <= newest)
            value = value with { FetchedAt = newest.AddTicks(1) };
        await WriteAsync(place, value).ConfigureAwait(false);
        return value;
    }

    private async Task ProlongAsync(RedisKey key, string id, CancellationToken done)
    {
        using var timer = new PeriodicTimer(Lease / 4, timeProvider);
        while (await timer.WaitForNextTickAsync(done).ConfigureAwait(false))
            await TryAsync(redis => redis.ScriptEvaluateAsync(RedisScripts.Prolong, [key], [id, (long)Lease.TotalMilliseconds])).ConfigureAwait(false);
    }

    private async Task<(byte[]? Sealed, SharedValue? Value)> ReadAsync(Place place)
    {
        (_, RedisValue found) = await TryAsync(redis => redis.StringGetRangeAsync(place.Value, 0, LongestValue)).ConfigureAwait(false);
        if ((byte[]?)found is not { Length: > 0 } bytes)
            return default;
        SharedValue? value = place.Sealing.Open(bytes, timeProvider.GetUtcNow(), out string? problem);
        if (problem is not null)
            Ignore(place, problem);
        return (bytes, value);
    }

    private void Ignore(Place place, string problem)
    {
        telemetry.SharedRead(place.Kind, "ignored", problem);
        if (Interlocked.Exchange(ref _lastProblem, problem) != problem)
            log.SharedValueIgnored(place.Kind, problem);
    }

    // A newer one stays, and so does what somebody else wrote meanwhile.
    private async Task WriteAsync(Place place, SharedValue value)
    {
        TimeSpan life = value.ExpiresAt - timeProvider.GetUtcNow();
        if (life <= TimeSpan.Zero)
            return;
        (byte[]? before, SharedValue? known) = await ReadAsync(place).ConfigureAwait(false);
        if (known?.FetchedAt >= value.FetchedAt)
            return;
        byte[] bytes;
        try
        {
            bytes = place.Sealing.Seal(value);
        }
        catch (Exception)
        {
            // Its own process has the value all the same.
            Ignore(place, "cannot_be_sealed");
            return;
        }

        await TryAsync(redis => redis.ScriptEvaluateAsync(RedisScripts.Replace, [place.Value], [before ?? [], bytes, (long)Math.Ceiling(life.TotalMilliseconds)])).ConfigureAwait(false);
    }

    // Whoever waits has a call to make: a Redis that takes its time is done without, for a while.
    private async Task<(bool IsAnswered, T? Answer)> TryAsync<T>(Func<IDatabase, Task<T>> ask)
    {
        if (link.IsAway || Volatile.Read(ref _awayUntil) > _clock.Now)
            return default;
        (bool IsAnswered, T? Answer) result = await link.TryAsync(ask, LongestAsk).ConfigureAwait(false);
        if (!result.IsAnswered)
            Volatile.Write(ref _awayUntil, _clock.Now + Away.Ticks);
        return result;
    }

    private SharedValue Told(Place place, string result, SharedValue value)
    {
        telemetry.SharedRead(place.Kind, result);
        return value;
    }

    private sealed record Place(string Kind, RedisKey Value, RedisKey Lock, SealedValues Sealing);
}
