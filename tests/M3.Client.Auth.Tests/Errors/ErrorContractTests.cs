using System.Reflection;

namespace M3.Client.Auth.Tests.Errors;

/// <summary>What every error promises, whatever caused it.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ErrorContractTests
{
    private const string Detail = "the detail";

    private static readonly M3AuthError[] All = Enum.GetValues<M3AuthError>();

    [TestCase(M3AuthError.MissingToken, "Missing OAuth2 access token", false)]
    [TestCase(M3AuthError.InvalidTokenFormat, "Invalid token format", false)]
    [TestCase(M3AuthError.InvalidTokenSignature, "Invalid token signature", false)]
    [TestCase(M3AuthError.JwksUnavailable, "Invalid token signature", true)]
    [TestCase(M3AuthError.TokenExpired, "Token has expired", false)]
    [TestCase(M3AuthError.TokenNotYetValid, "Token is not yet valid", true)]
    [TestCase(M3AuthError.InvalidIssuer, "Invalid token issuer", false)]
    [TestCase(M3AuthError.InvalidAudience, "Invalid token audience", false)]
    [TestCase(M3AuthError.MissingScopes, "Missing required scopes", false)]
    [TestCase(M3AuthError.RateLimitExceeded, "Rate limit exceeded", true)]
    [TestCase(M3AuthError.UntrustedOrigin, "Token withheld from untrusted origin", false)]
    [TestCase(M3AuthError.TokenRequestFailed, "Token request failed", false)]
    [TestCase(M3AuthError.Rejected, "OAuth2 authentication failed", false)]
    public void The_message_is_the_documented_one_and_the_detail(M3AuthError value, string documented, bool isTransient)
    {
        M3AuthException error = Make(value, Detail);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(error.Error, Is.EqualTo(value));
            Assert.That(error.DocumentedMessage, Is.EqualTo(documented));
            Assert.That(error.Message, Is.EqualTo($"{documented}: {Detail}"));
            Assert.That(Make(value, null).Message, Is.EqualTo(documented));
            Assert.That(error.IsTransient, Is.EqualTo(isTransient));
        }
    }

    [TestCaseSource(nameof(All))]
    public void Each_error_has_one_sealed_type_that_is_named_after_it(M3AuthError value)
    {
        Type[] types = [.. Types.Where(type => Make(type, null).Error == value)];

        Assert.That(types.Select(type => type.Name), Is.EqualTo([$"{value}Exception"]));
        Assert.That(types[0], Has.Property("IsSealed").True.And.Property("IsPublic").True);
    }

    [TestCaseSource(nameof(All))]
    public void No_retry_policy_takes_an_error_for_a_failed_request(M3AuthError value) =>
        Assert.That(Make(value, Detail), Is.Not.InstanceOf<HttpRequestException>().And.Not.InstanceOf<IOException>()
            .And.Not.InstanceOf<TimeoutException>().And.Not.InstanceOf<OperationCanceledException>());

    [TestCaseSource(nameof(All))]
    public void Each_error_says_in_a_sentence_what_to_do(M3AuthError value) =>
        Assert.That(Make(value, Detail).Remedy, Does.Match(@"^.{20,}\. See https://"));

    [Test]
    public void No_two_errors_have_the_same_remedy() =>
        Assert.That(All.Select(value => Make(value, Detail).Remedy), Is.Unique);

    [Test]
    public void An_error_found_here_has_neither_status_nor_challenge() =>
        Assert.That(Make(M3AuthError.TokenExpired, Detail), Has.Property("StatusCode").Null.And.Property("Challenge").Null);

    [Test]
    public void Missing_scopes_are_those_required_and_not_granted()
    {
        var error = new MissingScopesException(["read:mimic-data", "write:mimic-data"], ["read:mimic-data", "openid"]);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(error.Required, Is.EqualTo(["read:mimic-data", "write:mimic-data"]));
            Assert.That(error.Granted, Is.EqualTo(["read:mimic-data", "openid"]));
            Assert.That(error.Missing, Is.EqualTo(["write:mimic-data"]));
            Assert.That(error.Message, Is.EqualTo("Missing required scopes: write:mimic-data (the token has read:mimic-data openid)"));
        }
    }

    [Test]
    public void All_scopes_are_missing_when_nobody_said_which_were_granted()
    {
        var error = new MissingScopesException(["a", "b"], granted: null);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(error.Granted, Is.Null);
            Assert.That(error.Missing, Is.EqualTo(["a", "b"]));
            Assert.That(error.Message, Is.EqualTo("Missing required scopes: a b"));
        }
    }

    [Test]
    public void A_token_without_scopes_is_said_to_have_none() =>
        Assert.That(new MissingScopesException(["a"], []).Message, Is.EqualTo("Missing required scopes: a (the token has none)"));

    private static IEnumerable<Type> Types => typeof(M3AuthException).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(M3AuthException)));

    private static M3AuthException Make(M3AuthError value, string? detail) => Make(Types.Single(type => type.Name == $"{value}Exception"), detail);

    private static M3AuthException Make(Type type, string? detail)
    {
        ConstructorInfo constructor = type.GetConstructors().Single();
        object?[] arguments = [.. constructor.GetParameters().Select(parameter =>
            parameter.Name == "message" ? detail
            : parameter.ParameterType == typeof(IEnumerable<string>) ? Array.Empty<string>()
            : parameter.HasDefaultValue ? parameter.DefaultValue
            : null)];
        return (M3AuthException)constructor.Invoke(arguments);
    }
}
