namespace M3.Client.Auth.Tests.Errors;

public sealed class ToolTextTests
{
    // As M3's code has them; M4, its fork, and older versions put a prefix in front.
    public static readonly (string Text, M3AuthError Expected)[] Texts =
    [
        ("Missing OAuth2 access token", M3AuthError.MissingToken),
        ("Invalid token format", M3AuthError.InvalidTokenFormat),
        ("Invalid token: Not enough segments", M3AuthError.InvalidTokenFormat),
        ("Token has expired", M3AuthError.TokenExpired),
        ("Invalid token: Token is missing the \"exp\" claim", M3AuthError.TokenExpired),
        ("Invalid token: The token is not yet valid (nbf)", M3AuthError.TokenNotYetValid),
        ("Invalid token: The token is not yet valid (iat)", M3AuthError.TokenNotYetValid),
        ("Invalid token issuer", M3AuthError.InvalidIssuer),
        ("Invalid token: Token is missing the \"iss\" claim", M3AuthError.InvalidIssuer),
        ("Invalid token audience", M3AuthError.InvalidAudience),
        ("Invalid token: Token is missing the \"aud\" claim", M3AuthError.InvalidAudience),
        ("Invalid token signature", M3AuthError.InvalidTokenSignature),
        ("Invalid token: Signature verification failed", M3AuthError.InvalidTokenSignature),
        ("Invalid token: The specified alg value is not allowed", M3AuthError.InvalidTokenSignature),
        ("Token validation failed: Token missing key ID (kid)", M3AuthError.InvalidTokenSignature),
        ("Token validation failed: No key found for kid: zz", M3AuthError.InvalidTokenSignature),
        ("Token validation failed: Failed to fetch JWKS: All connection attempts failed", M3AuthError.JwksUnavailable),
        ("Token validation failed: Failed to fetch JWKS: Server error '503 Service Unavailable' for url 'https://x/jwks'\nFor more information check: https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/503", M3AuthError.JwksUnavailable),
        ("Token validation failed: Missing required scopes: {'read:mimic-data'}", M3AuthError.MissingScopes),
        ("Missing required scopes: {'read:mimic-data'}", M3AuthError.MissingScopes),
        ("Missing required scopes", M3AuthError.MissingScopes),
        ("Token validation failed: Rate limit exceeded", M3AuthError.RateLimitExceeded),
        ("Rate limit exceeded", M3AuthError.RateLimitExceeded),
        ("Token is not yet valid", M3AuthError.TokenNotYetValid),
    ];

    // Refusals by their frame alone.
    private static readonly (string Text, M3AuthError Expected)[] Framed =
    [
        ("Error: OAuth2 authentication failed: Failed to fetch JWKS: timed out", M3AuthError.JwksUnavailable),
        ("OAuth2 authentication failed: No key found for kid: a b", M3AuthError.InvalidTokenSignature),
        ("OAuth2 authentication failed", M3AuthError.Rejected),
        ("Error: OAuth2 authentication failed", M3AuthError.Rejected),
        ("OAuth2 authentication failed: something new", M3AuthError.Rejected),
        ("Error: OAuth2 authentication failed: Invalid token: Invalid crypto padding", M3AuthError.Rejected),
        ("Error: Token validation failed: 'NoneType' object has no attribute 'get'", M3AuthError.Rejected),
        ("Error: Authentication system not properly configured", M3AuthError.Rejected),
        ("Error: Unsupported key type: EC", M3AuthError.InvalidTokenSignature),
        ("Error: Token validation failed: Unsupported key type: EC", M3AuthError.InvalidTokenSignature),
        ("Error: No key found for kid: zz", M3AuthError.InvalidTokenSignature),
    ];

    private static readonly string[] Prefixes = ["", "Error: ", "OAuth2 authentication failed: ", "Error: OAuth2 authentication failed: "];

    private static readonly string[] OrdinaryResults =
    [
        "",
        "   \n ",
        "No results found",
        "Error: Authentication system error",
        "Error: Invalid limit. Must be a positive integer between 1 and 10000.",
        "❌ **Security Error:** Suspicious identifier detected: TOKEN (not medical data)",
        "❌ **Query Failed:** Parser Error: syntax error at or near \"Token has expired\"",
        "❌ **Convenience function failed:** ❌ **Query Failed:** Rate limit exceeded",
        "M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled",
        "note\nToken has expired",
        "            note\nToken has expired",
        "Token has expired\nInvalid token audience",
        "Error: OAuth2 authentication failed: Token has expired\nand a second line",
        "note  count\nError: Missing OAuth2 access token  3",
        "The patient said: Token has expired",
        "Token has expired?",
        "token has expired",
        "Invalid token: unexpected ')' near SELECT",
        "Token validation failed: somebody wrote",
        "OAuth2 authentication failed in 3 of 5 notes",
        "No key found for kid: zz",
        "Unsupported key type: EC",
        "Authentication system not properly configured",
        "Error: Authentication system not properly configured, said the nurse",
        "Failed to fetch JWKS: somebody wrote",
        "Missing required scopes: none, said the nurse",
        "Rate limit exceeded for infusion pump 3",
        "Signature verification failed on the consent form",
    ];

    public static IEnumerable<TestCaseData> Refusals()
    {
        foreach ((string text, M3AuthError expected) in Texts.SelectMany(_ => Prefixes, (known, prefix) => (prefix + known.Text, known.Expected)).Concat(Framed))
            yield return new TestCaseData(text, expected).SetArgDisplayNames(text.Split('\n')[0]);
    }

    [TestCaseSource(nameof(Refusals))]
    public void A_refusal_is_the_same_error_as_if_it_had_been_found_here(string text, M3AuthError expected)
    {
        foreach (string sent in (string[])[text, $"  {text}\n"])
        {
            Assert.That(M3AuthException.TryParse(sent, out M3AuthException? error), sent);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(error!.Error, Is.EqualTo(expected));
                Assert.That(error.Message, Does.StartWith(error.DocumentedMessage));
                Assert.That(error.StatusCode, Is.Null);
            }
        }
    }

    [TestCaseSource(nameof(OrdinaryResults))]
    [TestCase(null)]
    public void An_ordinary_result_is_left_alone(string? text)
    {
        Assert.That(M3AuthException.TryParse(text, out M3AuthException? error), Is.False);
        Assert.That(error, Is.Null);
    }

    [Test]
    public void The_first_fifty_rows_of_a_table_are_left_alone_even_where_every_cell_is_a_refusal()
    {
        foreach ((string text, _) in Texts.Where(known => !known.Text.Contains('\n')))
            Assert.That(M3AuthException.TryParse($"note\n{string.Join('\n', Enumerable.Repeat("Error: " + text, 50))}", out _), Is.False, text);
    }

    [TestCase("Missing required scopes: {'read:mimic-data'}", "read:mimic-data")]
    [TestCase("Error: OAuth2 authentication failed: Missing required scopes: {'read:mimic-data', 'write:mimic-data'}", "read:mimic-data write:mimic-data")]
    [TestCase("Missing required scopes: {\"it's\", 'b'}", "it's b")]
    [TestCase("Missing required scopes", "")]
    public void Scopes_are_read_from_Pythons_set(string text, string required)
    {
        Assert.That(M3AuthException.TryParse(text, out M3AuthException? error));

        var missing = (MissingScopesException)error!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(string.Join(' ', missing.Required), Is.EqualTo(required));
            Assert.That(string.Join(' ', missing.Missing), Is.EqualTo(required));
            Assert.That(missing.Granted, Is.Null);
        }
    }

    [Test]
    public void A_token_in_the_text_is_not_shown()
    {
        Assert.That(M3AuthException.TryParse("Error: OAuth2 authentication failed: cannot read eyJhbGciOiJSUzI1NiJ9.e30.x", out M3AuthException? error));

        Assert.That(error!.ToString(), Does.Not.Contain("eyJ"));
    }

    [Test]
    public void A_long_text_is_data()
    {
        Assert.That(M3AuthException.TryParse("Error: OAuth2 authentication failed: " + new string('x', 5000), out _), Is.False);
    }
}
