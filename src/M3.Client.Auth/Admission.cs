namespace M3.Client.Auth;

/// <summary>A request that may go.</summary>
/// <param name="Token">What to send with it.</param>
/// <param name="Lease">What to dispose once M3 has answered: the application's own limiter's.</param>
internal sealed record Admission(M3AccessToken Token, IDisposable? Lease);
