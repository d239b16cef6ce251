using System.Buffers.Text;
using System.Security.Claims;
using System.Security.Cryptography;
using OpenIddict.Abstractions;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace LocalM3;

/// <summary>
/// What the issuer remembers of people's sign-ins, in memory: its codes and refresh tokens, and which sign-in each belongs to. For tests
/// also the hand that allows, denies and revokes where there is no browser.
/// </summary>
public sealed class SignIns
{
    // A timer may go off a little early.
    private static readonly TimeSpan TimerSlack = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan SlowDownStep = TimeSpan.FromSeconds(5);

    private readonly LocalM3Options _options;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, KeptToken> _tokens = [];
    private readonly Dictionary<string, DeviceSignIn> _devices = [];

    // A sign-in is all that one person once allowed one client: its code, and every refresh token since.
    private readonly Dictionary<string, string> _personBySignIn = [];

    private int _refreshRequests;
    private int _refreshTokenReuses;
    private int _devicePolls;

    internal SignIns(LocalM3Options options) => _options = options;

    /// <summary>The made-up people who can sign in.</summary>
    public static IReadOnlyList<string> People { get; } = ["ada", "grace"];

    /// <summary>How many refresh requests came, refused ones too.</summary>
    public int RefreshRequests => Volatile.Read(ref _refreshRequests);

    /// <summary>How often a used refresh token came again, and its whole sign-in was revoked for that.</summary>
    public int RefreshTokenReuses => Volatile.Read(ref _refreshTokenReuses);

    /// <summary>How often a token was asked for with a device code.</summary>
    public int DevicePolls => Volatile.Read(ref _devicePolls);

    /// <summary>The user codes that wait for a person.</summary>
    public IReadOnlyList<string> WaitingUserCodes
    {
        get
        {
            lock (_lock)
                return [.. _devices.Values.Where(IsWaiting).Select(device => device.UserCode)];
        }
    }

    /// <summary>Allows a device, as the person does on its page.</summary>
    /// <exception cref="ArgumentException">No device waits with this code, or there is no such person.</exception>
    public void Approve(string userCode, string person = "ada") => Decide(userCode, People.Contains(person) ? person
        : throw new ArgumentException($"The people are {string.Join(" and ", People)}.", nameof(person)));

    /// <summary>Denies a device.</summary>
    /// <exception cref="ArgumentException">No device waits with this code.</exception>
    public void Deny(string userCode) => Decide(userCode, person: null);

    /// <summary>Ends all sign-ins of a person, or of everybody: their refresh tokens are refused from now on.</summary>
    public void Revoke(string? person = null)
    {
        lock (_lock)
        {
            foreach (string signIn in _personBySignIn.Where(pair => person is null || pair.Value == person).Select(pair => pair.Key).ToArray())
                _personBySignIn.Remove(signIn);
        }
    }

    /// <summary>Starts a person's sign-in. Returns its id.</summary>
    internal string Begin(string person)
    {
        string signIn = Guid.NewGuid().ToString();
        lock (_lock)
            _personBySignIn[signIn] = person;
        return signIn;
    }

    internal void End(string signIn)
    {
        lock (_lock)
            _personBySignIn.Remove(signIn);
    }

    /// <summary>Keeps what a code or a refresh token stands for. Returns the code or token, a random text.</summary>
    internal string Keep(ClaimsPrincipal principal)
    {
        string token = RandomText();
        Keep(token, principal);
        return token;
    }

    internal void Keep(string token, ClaimsPrincipal principal)
    {
        lock (_lock)
            _tokens[token] = new KeptToken(principal);
    }

    /// <summary>What a code or a refresh token stands for; null: it was never issued, or its sign-in has ended.</summary>
    internal ClaimsPrincipal? Find(string token)
    {
        lock (_lock)
            return _tokens.TryGetValue(token, out KeptToken? kept) && IsAlive(kept.Principal) ? kept.Principal : null;
    }

    /// <summary>Uses up a code or a refresh token. One that was used before ends the whole sign-in: somebody has a copy of it.</summary>
    internal bool TryRedeem(string token)
    {
        lock (_lock)
        {
            if (!_tokens.TryGetValue(token, out KeptToken? kept) || !IsAlive(kept.Principal))
                return false;
            bool isRefreshToken = kept.Principal.HasTokenType(TokenTypeIdentifiers.RefreshToken);
            TimeSpan leeway = isRefreshToken ? _options.RefreshTokenLeeway : TimeSpan.Zero;
            if (kept.UsedAt is { } usedAt && _options.TimeProvider.GetElapsedTime(usedAt) >= leeway)
            {
                _personBySignIn.Remove(kept.Principal.GetAuthorizationId()!);
                _refreshTokenReuses += isRefreshToken ? 1 : 0;
                return false;
            }

            kept.UsedAt ??= _options.TimeProvider.GetTimestamp();
            return true;
        }
    }

    internal void CountRefresh() => Interlocked.Increment(ref _refreshRequests);

    internal DeviceSignIn AddDevice(DeviceSignIn device)
    {
        lock (_lock)
            _devices[device.DeviceCode] = device;
        return device;
    }

    /// <summary>The device that waits with a code as a person types it; null: none.</summary>
    internal DeviceSignIn? FindWaiting(string? userCode)
    {
        lock (_lock)
            return _devices.Values.FirstOrDefault(device => IsWaiting(device) && Letters(device.UserCode) == Letters(userCode));
    }

    /// <summary>Whether a device may have its token by now. Returns what to refuse it with (RFC 8628, section 3.5), or null and who allowed it.</summary>
    internal string? Poll(string deviceCode, out DeviceSignIn? device)
    {
        Interlocked.Increment(ref _devicePolls);
        lock (_lock)
        {
            if (!_devices.TryGetValue(deviceCode, out device))
                return Errors.InvalidGrant;
            if (device.IsDenied)
                return Errors.AccessDenied;
            if (device.Person is not null)
            {
                _devices.Remove(deviceCode);
                return null;
            }

            bool isTooFast = device.PolledAt is { } last && _options.TimeProvider.GetElapsedTime(last) < device.Interval - TimerSlack;
            device.PolledAt = _options.TimeProvider.GetTimestamp();
            if (!isTooFast)
                return Errors.AuthorizationPending;
            device.Interval += SlowDownStep;
            return Errors.SlowDown;
        }
    }

    /// <summary>Decides for a waiting device: the person who allows it, or null to deny.</summary>
    internal bool TryDecide(string? userCode, string? person)
    {
        lock (_lock)
        {
            if (FindWaiting(userCode) is not { } device)
                return false;
            device.Person = person;
            device.IsDenied = person is null;
            return true;
        }
    }

    internal static string RandomText() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    private void Decide(string userCode, string? person)
    {
        if (!TryDecide(userCode, person))
            throw new ArgumentException("No device waits with this user code.", nameof(userCode));
    }

    private bool IsWaiting(DeviceSignIn device) =>
        device is { Person: null, IsDenied: false } && device.Expires > _options.TimeProvider.GetUtcNow();

    // A device code belongs to nobody's sign-in yet.
    private bool IsAlive(ClaimsPrincipal principal) =>
        principal.GetAuthorizationId() is not { } signIn || _personBySignIn.ContainsKey(signIn);

    private static string Letters(string? userCode) => string.Concat((userCode ?? "").Where(char.IsAsciiLetter)).ToUpperInvariant();

    private sealed class KeptToken(ClaimsPrincipal principal)
    {
        public ClaimsPrincipal Principal { get; } = principal;

        public long? UsedAt { get; set; }
    }
}
