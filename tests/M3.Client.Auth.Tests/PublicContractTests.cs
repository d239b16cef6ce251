using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace M3.Client.Auth.Tests;

/// <summary>The names that users' code is written against. Add to them; rename none.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class PublicContractTests
{
    private static readonly Assembly Library = typeof(M3AuthHandler).Assembly;

    // Compiled, so that a changed parameter's name, type or default is noticed, too.
    [Test]
    public void Every_promised_member_is_there()
    {
        Action promised = () =>
        {
            var options = new M3AuthOptions();
            ILoggerFactory? loggers = null;
            IConfiguration configuration = null!;
            IHttpClientBuilder builder = null!;
            IM3TokenProvider tokens = new M3TokenProvider(options: options, loggerFactory: loggers);
            M3AuthToken(tokens).GetAwaiter().GetResult();
            builder = builder.AddM3Auth();
            builder = builder.AddM3Auth(configure: (M3AuthOptions _) => { }, prefix: "M3_OAUTH2_");
            builder = builder.AddM3Auth(configure: (IServiceProvider _, M3AuthOptions _) => { }, prefix: "M3_OAUTH2_");
            DelegatingHandler handler = new M3AuthHandler(options) { InnerHandler = new HttpClientHandler() };
            handler = new M3AuthHandler(options: options, loggerFactory: loggers);
            handler = new M3AuthHandler(tokens: tokens, options: options, loggerFactory: loggers);
            HttpClient client = M3HttpClient.Create(new Uri("https://m3.test"));
            client = M3HttpClient.Create(baseAddress: new Uri("https://m3.test"), options: options, innerHandler: handler, loggerFactory: loggers);
            options = M3AuthOptions.FromEnvironment();
            options = M3AuthOptions.FromEnvironment(prefix: "M3_OAUTH2_");
            options = M3AuthOptions.FromConfiguration(configuration);
            options = M3AuthOptions.FromConfiguration(configuration: configuration, prefix: "M3_OAUTH2_");
            ITokenSource[] sources =
            [
                TokenSources.FromEnvironment("name"), TokenSources.FromFile("path"), TokenSources.FromConfiguration(configuration, "key"), TokenSources.FromValue(null),
                TokenSources.From((CancellationToken _) => new ValueTask<string?>("token")), TokenSources.ClientCredentials("id", "secret"), TokenSources.FirstOf(),
            ];
            options.TokenSource = sources[0];
        };

        Assert.That(promised, Is.Not.Null);
    }

    [TestCase("Enabled", typeof(bool), true)]
    [TestCase("IssuerUrl", typeof(string), true)]
    [TestCase("Audience", typeof(string), true)]
    [TestCase("RequiredScopes", typeof(ISet<string>), false)]
    [TestCase("JwksUrl", typeof(Uri), true)]
    [TestCase("JwksCacheTtl", typeof(TimeSpan), true)]
    [TestCase("RateLimitEnabled", typeof(bool), true)]
    [TestCase("RateLimitRequests", typeof(int), true)]
    [TestCase("RateLimitWindow", typeof(TimeSpan), true)]
    [TestCase("RateLimitMode", typeof(RateLimitMode), true)]
    [TestCase("Debug", typeof(bool), true)]
    [TestCase("TokenSource", typeof(ITokenSource), true)]
    [TestCase("ClientId", typeof(string), true)]
    [TestCase("ClientSecret", typeof(string), true)]
    [TestCase("AllowedOrigins", typeof(ICollection<Uri>), false)]
    [TestCase("RequireHttps", typeof(bool), true)]
    [TestCase("ThrowOnRejection", typeof(bool), true)]
    [TestCase("ValidateSignature", typeof(bool), true)]
    [TestCase("ValidateLifetime", typeof(bool), true)]
    [TestCase("ValidateAudience", typeof(bool), true)]
    [TestCase("ValidateIssuer", typeof(bool), true)]
    [TestCase("BackchannelHttpHandler", typeof(HttpMessageHandler), true)]
    [TestCase("TimeProvider", typeof(TimeProvider), true)]
    public void The_options_have_each_promised_property(string name, Type type, bool isSettable)
    {
        PropertyInfo? property = typeof(M3AuthOptions).GetProperty(name);

        Assert.That(property?.PropertyType, Is.EqualTo(type));
        Assert.That(property!.SetMethod?.IsPublic ?? false, Is.EqualTo(isSettable));
    }

    [TestCase(typeof(M3AccessToken), "Value", "Issuer", "Subject", "Audiences", "Scopes", "IssuedAt", "ExpiresAt", "KeyId", "Algorithm")]
    [TestCase(typeof(M3AuthException), "Error", "DocumentedMessage", "Remedy", "IsTransient")]
    [TestCase(typeof(MissingScopesException), "Required", "Granted", "Missing")]
    [TestCase(typeof(RateLimitExceededException), "RetryAfter")]
    [TestCase(typeof(TokenSourceContext), "Rejected", "Backchannel", "IssuerUrl", "TimeProvider")]
    [TestCase(typeof(ITokenSource), "PollInterval")]
    public void A_type_has_each_promised_property(Type type, params string[] names) =>
        Assert.That(type.GetProperties().Select(property => property.Name), Is.SupersetOf(names));

    [Test]
    public void The_errors_are_the_promised_ones_in_their_order() =>
        Assert.That(Enum.GetNames<M3AuthError>(), Is.EqualTo((string[])
        [
            "MissingToken", "InvalidTokenFormat", "InvalidTokenSignature", "JwksUnavailable", "TokenExpired", "TokenNotYetValid", "InvalidIssuer",
            "InvalidAudience", "MissingScopes", "RateLimitExceeded", "UntrustedOrigin", "TokenRequestFailed", "Rejected",
        ]));

    [Test]
    public void A_source_that_says_nothing_about_polling_is_not_polled() =>
        Assert.That(((ITokenSource)new Silent()).PollInterval, Is.Null);

    [Test]
    public void The_sources_that_are_cheap_to_read_are_polled_every_second()
    {
        ITokenSource[] cheap = [TokenSources.FromEnvironment("name"), TokenSources.FromFile("path"), TokenSources.FromConfiguration(new ConfigurationManager())];
        ITokenSource[] dear = [TokenSources.FromValue(null), TokenSources.From(_ => default), TokenSources.ClientCredentials("id", "secret"), TokenSources.FirstOf(new Silent())];

        Assert.That(cheap.Select(source => source.PollInterval), Is.All.EqualTo(TimeSpan.FromSeconds(1)));
        Assert.That(dear.Select(source => source.PollInterval), Is.All.Null);
        Assert.That(TokenSources.FirstOf(dear[0], cheap[0]).PollInterval, Is.EqualTo(TimeSpan.FromSeconds(1)));
    }

    [Test]
    public void Nobody_can_derive_from_what_is_not_made_for_it()
    {
        Type[] open = [.. Library.GetExportedTypes().Where(type => type is { IsClass: true, IsSealed: false, IsAbstract: false })];
        Type[] derivable = [.. Library.GetExportedTypes().Where(type => type is { IsClass: true, IsAbstract: true, IsSealed: false })
            .Where(type => type.GetConstructors(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public)
                .Any(constructor => constructor.IsPublic || constructor.IsFamily || constructor.IsFamilyOrAssembly))];

        Assert.That(open, Is.Empty);
        Assert.That(derivable, Is.Empty);
    }

    [Test]
    public void Whatever_is_internal_is_sealed_too() =>
        Assert.That(Library.GetTypes().Where(type => type is { IsClass: true, IsSealed: false, IsAbstract: false } && type.Namespace == "M3.Client.Auth"), Is.Empty);

    [Test]
    public void One_using_is_enough() =>
        Assert.That(Library.GetExportedTypes().Where(type => type != typeof(M3AuthHttpClientBuilderExtensions)).Select(type => type.Namespace), Is.All.EqualTo("M3.Client.Auth"));

    [Test]
    public void A_token_for_a_fake_is_one_word_of_visible_ASCII([Values("", "two words", "tab\t", "line\nbreak", "é")] string value) =>
        Assert.That(() => new M3AccessToken(value), Throws.InstanceOf<ArgumentException>());

    [Test]
    public void A_token_for_a_fake_never_expires_unless_it_says_so()
    {
        var token = new M3AccessToken("fake");

        Assert.That(token.ExpiresAt, Is.EqualTo(DateTimeOffset.MaxValue));
        Assert.That((token.Audiences.Count, token.Scopes.Count, token.Subject, token.IssuedAt), Is.EqualTo((0, 0, (string?)null, (DateTimeOffset?)null)));
    }

    private static async Task M3AuthToken(IM3TokenProvider tokens)
    {
        M3AccessToken token = await tokens.GetTokenAsync();
        token = await tokens.GetTokenAsync(cancellationToken: default);
        token = await tokens.RenewTokenAsync(rejected: token, cancellationToken: default);
        _ = new M3AccessToken(token.Value);
    }

    private sealed class Silent : ITokenSource
    {
        public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) => default;
    }
}
