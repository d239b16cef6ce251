using System.Globalization;
using System.Text;
using System.Text.Json;

namespace M3.Client.Auth;

/// <summary>
/// What a command printed: the token alone, or a JSON object with it under one of the names in use (<c>az</c>, <c>azd</c>, RFC 6749,
/// section 5.1). An expiry beside it only tells a token that has expired already; else the token's own <c>exp</c> counts.
/// </summary>
internal static class CommandOutput
{
    private static readonly string[] TokenNames = ["access_token", "accessToken", "token"];

    // In the order in which they are believed: az's expiresOn is in local time, and az says expires_on beside it.
    private static readonly string[] ExpiryNames = ["expires_on", "expiresOn", "expiration", "expires_in"];

    /// <param name="utf8">The output.</param>
    /// <param name="asker">The command's name, for errors.</param>
    /// <param name="now">The wall clock.</param>
    /// <exception cref="TokenRequestFailedException">There is no token in it.</exception>
    /// <exception cref="TokenExpiredException">It says itself that the token has expired.</exception>
    public static string ReadToken(byte[] utf8, string asker, DateTimeOffset now)
    {
        // PowerShell puts a mark in front.
        string text = Encoding.UTF8.GetString(utf8).TrimStart('\uFEFF').Trim();
        if (text.Length == 0)
            throw Unusable(asker, "printed nothing");
        if (text[0] == '{')
            return ReadObject(text, asker, now);
        if (text[0] == '"')
            throw Unusable(asker, "printed its token in quotation marks (az prints it bare with -o tsv)");
        if (text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is not ([_] or ["Bearer" or "bearer", _]))
            throw Unusable(asker, "printed several words, and not a token alone or a JSON object");
        return text;
    }

    private static string ReadObject(string text, string asker, DateTimeOffset now)
    {
        if (StrictJson.TryParseObject(Encoding.UTF8.GetBytes(text)) is not { } json)
            throw Unusable(asker, "printed no JSON object that can be understood in one way only (is it cut off, or a member there twice?)");

        string[] names = [.. TokenNames.Where(name => json.TryGetProperty(name, out _))];
        if (names.Length != 1)
            throw Unusable(asker, $"printed a JSON object with {(names.Length == 0 ? "none" : "more than one")} of access_token, accessToken and token");
        if (StrictJson.ReadString(json, names[0]) is not { } token || string.IsNullOrWhiteSpace(token))
            throw Unusable(asker, $"printed a JSON object whose {names[0]} is no text");

        DateTimeOffset? expiry = ExpiryNames.Select(name => ReadExpiry(json, name, now)).FirstOrDefault(date => date is not null);
        if (expiry <= now)
        {
            throw new TokenExpiredException(string.Create(CultureInfo.InvariantCulture, $"{asker} printed a token that expired at {expiry.Value.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z"))
            {
                Remedy = "Have the command print a new token, not one that it keeps, and see that this machine's clock is right.",
            };
        }

        return token;
    }

    // Null: it is not there, or says nothing that can be understood.
    private static DateTimeOffset? ReadExpiry(JsonElement json, string name, DateTimeOffset now)
    {
        if (!json.TryGetProperty(name, out JsonElement value))
            return null;
        string? text = value.ValueKind == JsonValueKind.Number ? value.GetRawText() : StrictJson.ReadString(value);
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds))
            return FromSeconds(seconds, name == "expires_in" ? now : DateTimeOffset.UnixEpoch);
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out DateTimeOffset date) ? date : null;
    }

    private static DateTimeOffset? FromSeconds(double seconds, DateTimeOffset since) =>
        Math.Abs(seconds) <= (DateTimeOffset.MaxValue - DateTimeOffset.UnixEpoch).TotalSeconds / 2 ? since.AddSeconds(seconds) : null;

    private static TokenRequestFailedException Unusable(string asker, string what) => new($"{asker} {what}") { Remedy = CommandTokenSource.WhatToDo };
}
