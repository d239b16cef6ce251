namespace M3.Client.Auth;

/// <summary>Where the issuer gives tokens, or takes them back, and how it wants to know its clients.</summary>
/// <param name="Address">The <c>token_endpoint</c>, or another of its endpoints, to which the same methods apply.</param>
/// <param name="TakesBasic">
/// <c>client_secret_basic</c>, which is the default where the metadata does not say (RFC 8414, section 2); else <c>client_secret_post</c>.
/// </param>
/// <param name="SigningAlgorithms">What it takes client assertions signed by; null: it does not say.</param>
internal sealed record TokenEndpoint(Uri Address, bool TakesBasic, IReadOnlyCollection<string?>? SigningAlgorithms = null);
