namespace M3.Client.Auth;

/// <summary>Where the issuer's page is at which a person signs in, and what it promises of it.</summary>
/// <param name="Address">The <c>authorization_endpoint</c>.</param>
/// <param name="TakesS256">Whether it checks the code's verifier by S256 (RFC 7636).</param>
/// <param name="NamesIssuer">Whether each of its answers says who gave it (RFC 9207).</param>
internal sealed record AuthorizationEndpoint(Uri Address, bool TakesS256, bool NamesIssuer);
