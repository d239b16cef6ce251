namespace M3.Client.Auth;

/// <summary>A request that may go: what it carries, and what it holds until M3 has answered.</summary>
/// <param name="Token">What to send with it.</param>
/// <param name="Budget">Its origin's; null: there is no limit.</param>
/// <param name="Permit">Of that budget.</param>
/// <param name="Lease">The application's own limiter's.</param>
internal readonly record struct AdmittedRequest(M3AccessToken Token, RequestBudget? Budget, Permit Permit, IDisposable? Lease)
{
    public void Answered(HttpResponseMessage response, TimeProvider timeProvider)
    {
        AnswerEnd.Follow(response, Permit, timeProvider);
        Lease?.Dispose();
    }

    public void Failed(Exception failure)
    {
        AnswerEnd.Abandon(failure, Permit);
        Lease?.Dispose();
    }
}
