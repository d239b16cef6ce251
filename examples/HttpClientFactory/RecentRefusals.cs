using M3.Client.Auth;

namespace HttpClientFactory;

/// <summary>The last refusals of this process, newest first, for whoever looks at the page.</summary>
internal sealed class RecentRefusals(TimeProvider time)
{
    private const int Kept = 5;

    private readonly Lock _gate = new();
    private Refusal[] _refusals = [];

    public IReadOnlyList<Refusal> Newest => Volatile.Read(ref _refusals);

    public void Add(string request, M3AuthException exception)
    {
        var refusal = new Refusal(time.GetUtcNow(), request, exception.DocumentedMessage, exception.Message, exception.Remedy);
        lock (_gate)
            Volatile.Write(ref _refusals, [refusal, .. _refusals.Take(Kept - 1)]);
    }
}

/// <param name="At">When.</param>
/// <param name="Request">What this service was asked for.</param>
/// <param name="Title">M3's documented message.</param>
/// <param name="Detail">The same with what is known besides; the library keeps tokens and secrets out of it.</param>
/// <param name="Remedy">What to do.</param>
internal sealed record Refusal(DateTimeOffset At, string Request, string Title, string Detail, string Remedy);
