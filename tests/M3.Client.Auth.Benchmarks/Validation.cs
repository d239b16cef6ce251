using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.Benchmarks;

/// <summary>One token checked by every rule, against the bare verification of its signature, which is the floor.</summary>
[MemoryDiagnoser]
[GroupBenchmarksBy(BenchmarkDotNet.Configs.BenchmarkLogicalGroupRule.ByCategory)]
[CategoriesColumn]
public class Validation
{
    private readonly Fixture _fixture = new();
    private string _rsaToken = null!;
    private string _ecToken = null!;
    private ParsedJwt _rsa = null!;
    private ParsedJwt _ec = null!;
    private TokenValidator _validator = null!;
    private RSA _rsaKey = null!;
    private ECDsa _ecKey = null!;

    [GlobalSetup]
    public async Task SetUp()
    {
        _rsaToken = _fixture.Token(SecurityAlgorithms.RsaSha256);
        _ecToken = _fixture.Token(SecurityAlgorithms.EcdsaSha256);
        _rsa = ParsedJwt.Parse(_rsaToken);
        _ec = ParsedJwt.Parse(_ecToken);
        _rsaKey = RSA.Create(_fixture.Rsa.ExportParameters(false));
        _ecKey = ECDsa.Create(_fixture.Ecdsa.ExportParameters(false));

        M3AuthOptions options = _fixture.Options(_rsaToken);
        var backchannel = new Backchannel(_fixture, options.TimeProvider);
        var jwks = new JwksCache(options.JwksCacheTtl, options.TimeProvider, backchannel,
            new IssuerMetadata(options.ToIssuerSettings(), options.TimeProvider, backchannel), new Log(null, clientName: null, debug: false, options.TimeProvider), new Telemetry(clientName: null, Instruments.Shared, options.TimeProvider));
        _validator = new TokenValidator(options.ToValidationRules(), options.TimeProvider, jwks, backchannel);
        await _validator.ValidateAsync(_rsa, default);
    }

    [Benchmark(Baseline = true, Description = "RSA.VerifyData")]
    [BenchmarkCategory("RS256")]
    public bool RsaFloor() => _rsaKey.VerifyData(_rsa.SigningInput, _rsa.Signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);

    [Benchmark(Description = "M3.Client.Auth")]
    [BenchmarkCategory("RS256")]
    public async Task<object> Rsa() => await _validator.ValidateAsync(ParsedJwt.Parse(_rsaToken), default);

    [Benchmark(Baseline = true, Description = "ECDsa.VerifyData")]
    [BenchmarkCategory("ES256")]
    public bool EcFloor() => _ecKey.VerifyData(_ec.SigningInput, _ec.Signature, HashAlgorithmName.SHA256);

    [Benchmark(Description = "M3.Client.Auth")]
    [BenchmarkCategory("ES256")]
    public async Task<object> Ec() => await _validator.ValidateAsync(ParsedJwt.Parse(_ecToken), default);
}

/// <summary>Finding the key of a token among few and many: the cost must not grow.</summary>
public class KeyLookup
{
    private ParsedJwt _token = null!;
    private KeySet _keys = null!;

    [Params(1, 10, 250)]
    public int Keys { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        // The fixture has one RSA and one EC key; the token names a third, so that no signature is verified here.
        var fixture = new Fixture(otherKeys: Keys);
        _keys = JwksReader.Read(fixture.Jwks);
        string header = Base64UrlEncoder.Encode("""{"alg":"RS256","kid":"other-0"}""");
        _token = ParsedJwt.Parse($"{header}.{Base64UrlEncoder.Encode("{}")}.AAAA");
    }

    [Benchmark]
    public bool Find() => _keys.Verify(_token);
}
