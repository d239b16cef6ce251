using Duende.IdentityModel;

namespace M3.Client.Auth;

/// <summary>
/// M3's rules, in their order: signature, exp, nbf and iat, iss, aud, the types of sub and jti, scopes. The signature comes first, so that no error
/// tells what an unsigned token claims.
/// </summary>
internal sealed class TokenValidator(ValidationRules rules, TimeProvider timeProvider, JwksCache jwks, Backchannel backchannel)
{
    // M3's clock decides, not ours: exp has no leeway, as there; a clock that is a little behind must not refuse a token just issued.
    private static readonly TimeSpan Leeway = TimeSpan.FromSeconds(60);

    /// <summary>The checks that are on, by the names of the claims.</summary>
    public IEnumerable<string> Checks => rules.Checks;

    /// <exception cref="M3AuthException">A rule is broken; the type says which.</exception>
    public async Task<ValidatedToken> ValidateAsync(ParsedJwt token, CancellationToken cancellationToken)
    {
        CheckHeader(token);
        KeySet? keys = null;
        if (rules.ValidateSignature)
        {
            if (token.Signature.Length == 0)
                throw new InvalidTokenSignatureException("it is not signed");

            keys = await jwks.GetAsync(cancellationToken).ConfigureAwait(false);
            if (!keys.Verify(token))
            {
                // The key may be newer than the set, or its kid in use again: one look at the issuer, within this call.
                keys = await jwks.RefetchAsync(keys, keys.DescribeVerificationFailure(token), cancellationToken).ConfigureAwait(false);
                if (!keys.Verify(token))
                    throw new InvalidTokenSignatureException(keys.DescribeVerificationFailure(token));
            }
        }

        var claims = new JwtClaims(token.Payload);
        CheckLifetime(claims);
        CheckIssuer(claims);
        CheckAudience(claims);
        CheckNames(claims);
        CheckScopes(claims);

        return new ValidatedToken(keys, new M3AccessToken(token.Value, claims.Expires.Value, claims.Issuer, claims.Subject,
            claims.Audiences, claims.Scopes, claims.IssuedAt.Value, token.KeyId, token.Algorithm));
    }

    private static void CheckHeader(ParsedJwt token)
    {
        // An allow list, never what the token asks for (RFC 8725, section 3.1).
        if (token.Algorithm is not (OidcConstants.Algorithms.Asymmetric.RS256 or OidcConstants.Algorithms.Asymmetric.ES256))
            throw new InvalidTokenSignatureException($"the algorithm must be RS256 or ES256, but is {Printable.Quote(token.Algorithm)}");
        if (token.HasCriticalExtensions)
            throw new InvalidTokenSignatureException("its header names critical extensions (crit), and none is understood");
        if (token.HasUnencodedPayload)
            throw new InvalidTokenSignatureException("its header says that the payload is not base64url (b64)");
        if (token.KeyId is null)
            throw new InvalidTokenSignatureException("its header names no key (kid)");
    }

    private void CheckLifetime(JwtClaims claims)
    {
        DateTimeOffset now = timeProvider.GetUtcNow();
        if (rules.ValidateLifetime)
        {
            if (claims.Expires.Value is not { } expires)
            {
                throw new TokenExpiredException(claims.Expires.IsPresent
                    ? $"its exp is not a date in seconds{ClaimHints.ForDate(claims.Payload, JwtClaimTypes.Expiration)}"
                    : "it has no exp");
            }

            if (now >= expires)
                throw new TokenExpiredException($"at {expires:u}, {Duration.Describe(now - expires)} ago{ClaimHints.ForClock(backchannel.IssuerAhead)}");
        }

        CheckNotInFuture(claims, claims.NotBefore, JwtClaimTypes.NotBefore, now);
        CheckNotInFuture(claims, claims.IssuedAt, JwtClaimTypes.IssuedAt, now);
    }

    private void CheckNotInFuture(JwtClaims claims, NumericDate claim, string name, DateTimeOffset now)
    {
        if (!claim.IsPresent)
            return;
        if (claim.Value is not { } date)
            throw new TokenNotYetValidException($"its {name} is not a date in seconds{ClaimHints.ForDate(claims.Payload, name)}");
        if (date > now + Leeway)
        {
            throw new TokenNotYetValidException($"its {name} is {date:u}, {Duration.Describe(date - now)} from now by this machine's clock"
                + ClaimHints.ForClock(backchannel.IssuerAhead));
        }
    }

    private void CheckIssuer(JwtClaims claims)
    {
        if (!rules.ValidateIssuer || string.Equals(claims.Issuer, rules.Issuer, StringComparison.Ordinal))
            return;

        throw new InvalidIssuerException(claims.Issuer is null
            ? $"it has no iss, and {rules.Prefix}ISSUER_URL is {Printable.Quote(rules.Issuer)}"
            : $"{Printable.Quote(claims.Issuer)}, but {rules.Prefix}ISSUER_URL is {Printable.Quote(rules.Issuer)}"
            + IssuerHints.For(claims.Issuer, rules.Issuer));
    }

    private void CheckAudience(JwtClaims claims)
    {
        if (!rules.ValidateAudience || (claims.Audiences is not null && claims.Audiences.Contains(rules.Audience, StringComparer.Ordinal)))
            return;

        throw new InvalidAudienceException((claims.Audiences is null
            ? $"it has no aud of one or several names, and {rules.Prefix}AUDIENCE is {Printable.Quote(rules.Audience)}"
            : $"'{Printable.List(claims.Audiences)}', but {rules.Prefix}AUDIENCE is {Printable.Quote(rules.Audience)}")
            + ClaimHints.ForAudience(claims.Payload, claims.Audiences, rules.Audience, rules.ClientId));
    }

    // Where M3 checks it: PyJWT does behind the audience, and M3 looks at the scopes of what PyJWT has let pass.
    private static void CheckNames(JwtClaims claims)
    {
        if (claims.NonString is { } name)
        {
            throw new InvalidTokenFormatException($"its {name} is not a string")
            {
                Remedy = $"Have the provider issue its tokens with a string as {name}, or without it: M3 refuses any other, as RFC 7519 says.",
            };
        }
    }

    private void CheckScopes(JwtClaims claims)
    {
        if (!rules.RequiredScopes.IsSubsetOf(claims.Scopes))
            throw new MissingScopesException(rules.RequiredScopes, claims.Scopes, ClaimHints.ForScopes(claims.Payload, rules.RequiredScopes.Except(claims.Scopes)));
    }
}

/// <summary>A token that passed, and the keys it was checked against: null when signatures are not checked.</summary>
internal sealed class ValidatedToken(KeySet? keys, M3AccessToken token)
{
    public readonly KeySet? Keys = keys;

    public readonly M3AccessToken Token = token;
}
