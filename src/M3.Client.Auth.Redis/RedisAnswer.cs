using StackExchange.Redis;

namespace M3.Client.Auth;

/// <summary>What came of a script.</summary>
/// <param name="Values">What it answered; null: nothing.</param>
/// <param name="IsLost">Whether Redis has lost data that this process has not written anew yet.</param>
/// <param name="MayRun">Whether it may run, or may have run, although no answer came.</param>
/// <param name="Epoch">The epoch that it was asked with.</param>
internal readonly record struct RedisAnswer(RedisResult[]? Values, bool IsLost = false, bool MayRun = false, string Epoch = "");
