using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.IntegrationTests.Failure;

/// <summary>How the issuer takes part.</summary>
internal enum Behaviour
{
    Answers,
    Hangs,
    AnswersError500,
    AnswersError429,
}

/// <summary>A real issuer on Kestrel that goes down and comes back on the same port, hangs, errs, rotates and moves its keys.</summary>
internal sealed class RotatingIssuer : IAsyncDisposable
{
    // Making RSA keys takes long; kids and keys are paired anew by each issuer.
    private static readonly ConcurrentDictionary<string, ECDsa> Pairs = new();

    private readonly List<string> _published = [];
    private WebApplication? _app;
    private Uri? _address;
    private int _requests;
    private TaskCompletionSource _hanging = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Behaviour Behaviour { get; set; }

    public string IssuerUrl => _address!.AbsoluteUri;

    public string JwksPath { get; set; } = "/keys";

    /// <summary>Everything that arrived: discovery and keys.</summary>
    public int Requests => Volatile.Read(ref _requests);

    /// <summary>Completes when a request has arrived that is left hanging; what never comes fails the test and holds up none.</summary>
    public Task Arrived => _arrived.Task.WaitAsync(TimeSpan.FromSeconds(30));

    public static async Task<RotatingIssuer> StartAsync(params string[] kids)
    {
        var issuer = new RotatingIssuer();
        issuer.Publish(kids);
        await issuer.ComeUpAsync();
        return issuer;
    }

    public void Publish(params string[] kids)
    {
        lock (_published)
        {
            _published.Clear();
            _published.AddRange(kids);
        }
    }

    public async Task ComeUpAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls(_address is null ? "http://127.0.0.1:0" : _address.GetLeftPart(UriPartial.Authority));
        builder.WebHost.UseShutdownTimeout(TimeSpan.Zero);
        _app = builder.Build();
        _app.Run(AnswerAsync);
        await _app.StartAsync();
        _address = new Uri(_app.Urls.Single());
    }

    public async Task GoDownAsync()
    {
        await _app!.StopAsync();
        await _app.DisposeAsync();
        _app = null;
    }

    /// <summary>Lets go of what hangs, and begins anew.</summary>
    public void Release()
    {
        _hanging.TrySetResult();
        _hanging = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    public string CreateToken(string kid, DateTimeOffset now) => new JsonWebTokenHandler().CreateToken(
        JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["iss"] = IssuerUrl,
            ["aud"] = TestIssuer.Audience,
            ["sub"] = "somebody",
            ["scope"] = "read:mimic-data",
            ["exp"] = now.AddDays(3).ToUnixTimeSeconds(),
            ["jti"] = Guid.NewGuid(),
        }),
        new SigningCredentials(new ECDsaSecurityKey(PairOf(kid)) { KeyId = kid }, SecurityAlgorithms.EcdsaSha256));

    public async ValueTask DisposeAsync()
    {
        Release();
        if (_app is not null)
            await GoDownAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        Interlocked.Increment(ref _requests);
        switch (Behaviour)
        {
            case Behaviour.Hangs:
                _arrived.TrySetResult();
                await _hanging.Task.WaitAsync(context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return;
            case Behaviour.AnswersError500:
                context.Response.StatusCode = StatusCodes.Status500InternalServerError;
                return;
            case Behaviour.AnswersError429:
                context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
                return;
        }

        string path = context.Request.Path;
        if (path == "/.well-known/openid-configuration")
            await context.Response.WriteAsJsonAsync(new { issuer = IssuerUrl, jwks_uri = new Uri(_address!, JwksPath) });
        else if (path == JwksPath)
            await context.Response.WriteAsJsonAsync(new { keys = Jwks() });
        else
            context.Response.StatusCode = StatusCodes.Status404NotFound;
    }

    private object[] Jwks()
    {
        lock (_published)
            return [.. _published.Select(kid => Jwk(kid, PairOf(kid).ExportParameters(includePrivateParameters: false)))];
    }

    private static object Jwk(string kid, ECParameters key) =>
        new { kty = "EC", crv = "P-256", kid, x = Base64UrlEncoder.Encode(key.Q.X), y = Base64UrlEncoder.Encode(key.Q.Y) };

    private static ECDsa PairOf(string kid) => Pairs.GetOrAdd(kid, static _ => ECDsa.Create(ECCurve.NamedCurves.nistP256));
}
