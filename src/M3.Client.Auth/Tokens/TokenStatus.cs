namespace M3.Client.Auth;

/// <summary>The token at hand, for whoever watches over it.</summary>
/// <param name="ExpiresAt">When it expires; <see cref="DateTimeOffset.MaxValue"/>: never.</param>
/// <param name="IsPolled">Whether its source is only looked at: a newer one has to be put there by somebody.</param>
/// <param name="HasFailed">Whether the last attempt to renew it failed.</param>
internal sealed record TokenStatus(DateTimeOffset ExpiresAt, bool IsPolled, bool HasFailed)
{
    /// <summary>Whether another will come by itself.</summary>
    public bool MayBeRenewed => !IsPolled && !HasFailed;
}
