using Microsoft.IdentityModel.Tokens;

namespace LocalM3;

/// <summary>How a <see cref="LocalM3Server"/> behaves.</summary>
public sealed class LocalM3Options
{
    /// <summary>The port on 127.0.0.1; 0 lets the system pick one.</summary>
    public int Port { get; set; }

    /// <summary>How long an issued token lasts.</summary>
    public TimeSpan TokenLifetime { get; set; } = TimeSpan.FromMinutes(30);

    /// <summary>How long a person's refresh token lasts; each refresh gives a new one.</summary>
    public TimeSpan RefreshTokenLifetime { get; set; } = TimeSpan.FromDays(14);

    /// <summary>
    /// How long a used refresh token may come again. Zero: not at all; the second time ends the sign-in, for whoever holds a token of it.
    /// </summary>
    public TimeSpan RefreshTokenLeeway { get; set; }

    /// <summary>How long a device's codes wait for a person.</summary>
    public TimeSpan DeviceCodeLifetime { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a device must wait between two polls; a faster one is told to slow down. Told in whole seconds, rounded up.</summary>
    public TimeSpan DeviceInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>What signs tokens, unless a call asks for the other: <c>RS256</c> or <c>ES256</c>.</summary>
    public string Algorithm
    {
        get;
        set => field = SigningKeys.Algorithms.Contains(value)
            ? value
            : throw new ArgumentException($"The algorithm is RS256 or ES256, not '{value}'.", nameof(value));
    } = SecurityAlgorithms.RsaSha256;

    /// <summary>
    /// Whether it goes by the names of M4, M3's successor: <c>M4_OAUTH2_...</c>, <c>execute_query</c>, M4's sentences. M4 itself speaks
    /// stdio; this one stays on HTTP.
    /// </summary>
    public bool M4 { get; set; }

    /// <summary>SQL that adds tables to its own, <c>CREATE TABLE mine AS SELECT 1 AS id</c> for example; null: none.</summary>
    public string? MoreTables { get; set; }

    /// <summary>How a call without a good token is refused.</summary>
    public Refusals Refusals { get; set; } = Refusals.OverHttp;

    /// <summary>The clock for issuing tokens and for checking their age.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>Where the server logs; null: nowhere.</summary>
    public ILoggerProvider? LoggerProvider { get; set; }

    internal ServerNames Names => M4 ? ServerNames.M4 : ServerNames.M3;
}

/// <summary>The two ways in which an M3 installation tells a client that its token is no good.</summary>
public enum Refusals
{
    /// <summary>401 or 403 with a challenge, as a gateway or FastMCP in front of M3 does.</summary>
    OverHttp,

    /// <summary>200 and an error text as the tool's result, as M3's own code does.</summary>
    AsToolText,
}
