using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace M3.Client.Auth.Tests;

/// <summary>The names that users' code is written against. Add to them; rename none.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class PublicContractTests
{
    private static readonly Assembly Library = typeof(M3AuthHandler).Assembly;

    [TestCase(typeof(M3AuthHttpClientBuilderExtensions), "AddM3Auth(IHttpClientBuilder builder, Action<M3AuthOptions> configure = null, String prefix = M3_OAUTH2_) : IHttpClientBuilder")]
    [TestCase(typeof(M3AuthHttpClientBuilderExtensions), "AddM3Auth(IHttpClientBuilder builder, Action<IServiceProvider, M3AuthOptions> configure, String prefix = M3_OAUTH2_) : IHttpClientBuilder")]
    [TestCase(typeof(M3AuthHandler), ".ctor(M3AuthOptions options, ILoggerFactory loggerFactory = null)")]
    [TestCase(typeof(M3AuthHandler), ".ctor(IM3TokenProvider tokens, M3AuthOptions options, ILoggerFactory loggerFactory = null)")]
    [TestCase(typeof(M3HttpClient), "Create(Uri baseAddress, M3AuthOptions options = null, HttpMessageHandler innerHandler = null, ILoggerFactory loggerFactory = null) : HttpClient")]
    [TestCase(typeof(M3AuthOptions), ".ctor()")]
    [TestCase(typeof(M3AuthOptions), "FromEnvironment(String prefix = M3_OAUTH2_) : M3AuthOptions")]
    [TestCase(typeof(M3AuthOptions), "FromConfiguration(IConfiguration configuration, String prefix = M3_OAUTH2_) : M3AuthOptions")]
    [TestCase(typeof(ITokenSource), "ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) : ValueTask<String>")]
    [TestCase(typeof(TokenSources), "FromEnvironment(String name = M3_OAUTH2_TOKEN) : ITokenSource")]
    [TestCase(typeof(TokenSources), "FromFile(String path) : ITokenSource")]
    [TestCase(typeof(TokenSources), "FromConfiguration(IConfiguration configuration, String key = M3_OAUTH2_TOKEN) : ITokenSource")]
    [TestCase(typeof(TokenSources), "FromValue(String token) : ITokenSource")]
    [TestCase(typeof(TokenSources), "From(Func<CancellationToken, ValueTask<String>> read) : ITokenSource")]
    [TestCase(typeof(TokenSources), "ClientCredentials(String clientId, String clientSecret, IReadOnlyDictionary<String, String> parameters = null) : ITokenSource")]
    [TestCase(typeof(TokenSources), "FirstOf(IEnumerable<ITokenSource> sources) : ITokenSource")]
    [TestCase(typeof(IM3TokenProvider), "GetTokenAsync(CancellationToken cancellationToken = null) : ValueTask<M3AccessToken>")]
    [TestCase(typeof(IM3TokenProvider), "RenewTokenAsync(M3AccessToken rejected, CancellationToken cancellationToken = null) : ValueTask<M3AccessToken>")]
    [TestCase(typeof(M3TokenProvider), ".ctor(M3AuthOptions options, ILoggerFactory loggerFactory = null)")]
    [TestCase(typeof(M3TokenProvider), "Dispose() : Void")]
    public void A_type_has_each_promised_member_with_these_names_and_defaults(Type type, string signature) =>
        Assert.That(type.GetConstructors().Cast<MethodBase>().Concat(type.GetMethods()).Select(Describe), Does.Contain(signature));

    [Test]
    public void What_is_to_be_passed_on_has_the_promised_base()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(typeof(M3AuthHandler).BaseType, Is.EqualTo(typeof(DelegatingHandler)));
            Assert.That(typeof(M3TokenProvider).GetInterfaces(), Is.EquivalentTo((Type[])[typeof(IM3TokenProvider), typeof(IDisposable)]));
            Assert.That(typeof(M3AuthException).BaseType, Is.EqualTo(typeof(Exception)));
        }
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
    public void A_chain_is_polled_as_often_as_its_most_eager_source()
    {
        ITokenSource[] sources = [new Polled(5), TokenSources.FromValue(null), new Polled(2), new Polled(9)];

        Assert.That(TokenSources.FirstOf(sources).PollInterval, Is.EqualTo(TimeSpan.FromSeconds(2)));
        Assert.That(TokenSources.FirstOf(sources.Reverse()).PollInterval, Is.EqualTo(TimeSpan.FromSeconds(2)));
        Assert.That(TokenSources.FirstOf(TokenSources.FirstOf(sources), new Polled(3)).PollInterval, Is.EqualTo(TimeSpan.FromSeconds(2)));
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
        Assert.That(Library.GetExportedTypes().Where(type => !type.Name.EndsWith("BuilderExtensions", StringComparison.Ordinal)).Select(type => type.Namespace), Is.All.EqualTo("M3.Client.Auth"));

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

    private static string Describe(MethodBase member)
    {
        string parameters = string.Join(", ", member.GetParameters().Select(parameter =>
            $"{Describe(parameter.ParameterType)} {parameter.Name}{(parameter.HasDefaultValue ? $" = {parameter.DefaultValue ?? "null"}" : "")}"));
        return $"{member.Name}({parameters}){(member is MethodInfo method ? $" : {Describe(method.ReturnType)}" : "")}";
    }

    private static string Describe(Type type) => type.IsGenericType
        ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(Describe))}>"
        : type.Name;

    private sealed class Polled(int seconds) : ITokenSource
    {
        public TimeSpan? PollInterval => TimeSpan.FromSeconds(seconds);

        public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) => default;
    }

    private sealed class Silent : ITokenSource
    {
        public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) => default;
    }
}
