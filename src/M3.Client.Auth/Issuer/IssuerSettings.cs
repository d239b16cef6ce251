namespace M3.Client.Auth;

/// <summary>Who issues the tokens, as configured.</summary>
/// <param name="Url">The issuer, character by character as in its tokens' <c>iss</c>; null only where nothing is ever asked of it.</param>
/// <param name="JwksUrl">Where its keys are; null: as its metadata say.</param>
/// <param name="Lifetime">How long its metadata are kept for token requests.</param>
/// <param name="Prefix">What the names of the settings begin with, for errors.</param>
internal sealed record IssuerSettings(string? Url, Uri? JwksUrl, TimeSpan Lifetime, string Prefix);
