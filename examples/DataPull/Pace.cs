using M3.Client.Auth;

namespace DataPull;

/// <summary>Tells how long the rest takes: M3's rate limit matters more than its speed.</summary>
/// <param name="options">They have the rate limit.</param>
/// <param name="workers">So many calls are under way at once.</param>
internal sealed class Pace(M3AuthOptions options, int workers)
{
    private readonly Queue<DateTimeOffset> _calls = new();
    private TimeSpan _busy;
    private long _made;

    /// <summary>A call was made.</summary>
    /// <param name="began">When its turn came.</param>
    /// <param name="ended">When it was answered.</param>
    public void Add(DateTimeOffset began, DateTimeOffset ended)
    {
        if (ended > began)
            _busy += ended - began;
        _made++;
        _calls.Enqueue(began);
        if (_calls.Count > options.RateLimitRequests)
            _calls.Dequeue();
    }

    /// <summary>How long so many more calls take.</summary>
    public TimeSpan Left(long calls, DateTimeOffset now)
    {
        TimeSpan each = _made == 0 ? TimeSpan.Zero : _busy / _made / workers;
        TimeSpan unlimited = calls * each;
        int free = options.RateLimitRequests - _calls.Count;
        if (!options.Enabled || !options.RateLimitEnabled || calls <= free)
            return unlimited;

        // The last call goes when the one that is as many before it as the limit has left the window. Whole windows aside, that is
        // one of the calls made already, or one of those that are free now.
        (long windows, long slot) = Math.DivRem(calls - free - 1, options.RateLimitRequests);
        DateTimeOffset before = slot < _calls.Count ? _calls.ElementAt((int)slot) : now + ((slot - _calls.Count) * each);
        TimeSpan limited = before + ((windows + 1) * options.RateLimitWindow) + each - now;
        return limited > unlimited ? limited : unlimited;
    }
}
