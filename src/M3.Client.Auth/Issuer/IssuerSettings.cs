namespace M3.Client.Auth;

/// <summary>Who issues the tokens, as configured.</summary>
/// <param name="url">The issuer, character by character as in its tokens' <c>iss</c>; null only where nothing is ever asked of it.</param>
/// <param name="jwksUrl">Where its keys are; null: as its metadata say.</param>
/// <param name="lifetime">How long its metadata are kept for token requests.</param>
/// <param name="prefix">What the names of the settings begin with, for errors.</param>
internal sealed class IssuerSettings(string? url, Uri? jwksUrl, TimeSpan lifetime, string prefix)
{
    public readonly string? Url = url;

    public readonly Uri? JwksUrl = jwksUrl;

    public readonly TimeSpan Lifetime = lifetime;

    public readonly string Prefix = prefix;
}
