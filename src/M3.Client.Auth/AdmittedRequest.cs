namespace M3.Client.Auth;

/// <summary>A request that may go: what it carries, and what it holds until M3 has answered.</summary>
/// <param name="token">What to send with it.</param>
/// <param name="permit">Of M3's limit.</param>
/// <param name="lease">The application's own limiter's.</param>
internal readonly struct AdmittedRequest(M3AccessToken token, Permit permit, IDisposable? lease) : IDisposable
{
    public readonly M3AccessToken Token = token;

    public void Answered(HttpResponseMessage response, TimeProvider timeProvider)
    {
        AnswerEnd.Follow(response, permit, timeProvider);
        lease?.Dispose();
    }

    /// <summary>Nobody sends it: whoever waited for it has left.</summary>
    public void Dispose()
    {
        if (permit.Count > 0)
            permit.Pool.Return(permit);
        lease?.Dispose();
    }

    public void Failed(Exception failure)
    {
        AnswerEnd.Abandon(failure, permit);
        lease?.Dispose();
    }
}
