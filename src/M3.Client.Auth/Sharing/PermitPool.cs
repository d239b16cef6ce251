using System.Globalization;

namespace M3.Client.Auth;

/// <summary>
/// The permits of one origin's budget, by subject. A call takes one before it is sent and holds it until its answer has ended; a window
/// later it is free again. M3 counts somewhere in between, so that its window is always kept.
/// </summary>
internal abstract class PermitPool
{
    /// <summary>How many of one subject's calls there may be within any <see cref="Window"/>.</summary>
    public abstract int Limit { get; }

    public abstract TimeSpan Window { get; }

    /// <summary>Takes permits that are at hand: on the hot path, so without I/O and without waiting.</summary>
    /// <param name="subject">The token's; null: none.</param>
    /// <param name="count">How many: all of them or none.</param>
    /// <param name="now">By the monotonic clock.</param>
    /// <param name="permit">What was taken.</param>
    /// <returns>False when there are none, or others wait for them: then <see cref="AcquireAsync"/> tells more.</returns>
    public abstract bool TryAcquire(string? subject, int count, long now, out Permit permit);

    /// <summary>Takes permits, waiting its turn for them where that is wanted.</summary>
    /// <param name="subject">The token's; null: none.</param>
    /// <param name="count">How many: all of them or none.</param>
    /// <param name="onWait">Told that the call waits, and how long, once that is known; null: do not wait.</param>
    /// <param name="cancellationToken">Ends the wait. Whoever is cancelled has taken nothing.</param>
    public abstract ValueTask<PermitResult> AcquireAsync(string? subject, int count, Action<TimeSpan?>? onWait, CancellationToken cancellationToken);

    /// <summary>The call's answer has ended: a window later its permits are free.</summary>
    /// <param name="permit">The call's.</param>
    /// <param name="grace">After how long it is certain that M3 has counted the call.</param>
    public abstract void Release(in Permit permit, TimeSpan grace);

    /// <summary>The call was never sent: its permits are free at once.</summary>
    public abstract void Return(in Permit permit);

    /// <summary>No permit is at hand for so long: M3 has asked for it.</summary>
    public abstract void Pause(TimeSpan duration);

    /// <summary>The answer to more calls at once than there ever are permits: somebody may have joined with a lower limit. Null: they may fit.</summary>
    protected PermitResult? NeverFits(int count) => count <= Limit ? null
        : new PermitResult(null, Problem: string.Create(CultureInfo.InvariantCulture, $"a batch of {count} tool calls never fits into the limit of {Limit} per {Duration.Describe(Window)}"));

    /// <summary>How a subject's permits stand now.</summary>
    public abstract PermitCount Count(string? subject);

    /// <summary>Whether other processes have a share of it, somewhere that may be out of reach.</summary>
    public virtual bool IsShared => false;

    /// <summary>Why no permits can be had although there may be some, as a sentence about the budget; null: nothing stands in the way.</summary>
    public virtual string? Problem => null;
}

/// <summary>How one subject's permits stand.</summary>
/// <param name="Limit">How many there are.</param>
/// <param name="Used">How many are with a call, or not free yet.</param>
/// <param name="Pause">For how long M3 has asked that none is taken; zero: it has not.</param>
internal readonly record struct PermitCount(int Limit, int Used, TimeSpan Pause)
{
    /// <summary>How many could be taken now.</summary>
    public int Left => Pause > TimeSpan.Zero ? 0 : Limit - Used;
}

/// <summary>Permits that one call holds.</summary>
/// <param name="Pool">Where they go back.</param>
/// <param name="Holder">What the pool needs to know of them.</param>
/// <param name="Count">How many; 0: the call needs none.</param>
internal readonly record struct Permit(PermitPool Pool, object Holder, int Count);

/// <summary>What came of asking for permits.</summary>
/// <param name="Permit">They are taken; null: they are not.</param>
/// <param name="RetryAfter">When there may be some; null: unknown, since no call that holds one has been answered yet.</param>
/// <param name="IsPaused">Whether M3's own pause is what stands in the way.</param>
/// <param name="Problem">What else stands in the way; null: that there are too few.</param>
internal readonly record struct PermitResult(Permit? Permit, TimeSpan? RetryAfter = null, bool IsPaused = false, string? Problem = null);
