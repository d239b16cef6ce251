using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using ModelContextProtocol.AspNetCore;
using ModelContextProtocol.Protocol;

namespace LocalM3;

/// <summary>
/// A small stand-in for M3 on this machine: an OpenID provider, and M3's six tools behind it, on made-up rows (no real patient).
/// </summary>
public sealed class LocalM3Server : IAsyncDisposable
{
    internal const string McpPath = "/sse";

    private const int KeptRequests = 10_000;

    private readonly LocalM3Options _options;
    private readonly SigningKeys _keys = new();
    private readonly ConcurrentQueue<ReceivedRequest> _received = new();
    private readonly HttpClient _http = new();
    private readonly WebApplication _app;

    private LocalM3Server(LocalM3Options options, Socket socket)
    {
        _options = options;
        SignIns = new SignIns(options);
        var endPoint = (IPEndPoint)socket.LocalEndPoint!;
        BaseAddress = new Uri($"http://{endPoint}/");
        _app = Build(socket);
    }

    /// <summary>The server's root, <c>http://127.0.0.1:PORT/</c>.</summary>
    public Uri BaseAddress { get; }

    /// <summary>Where MCP is spoken.</summary>
    public Uri Endpoint => new(BaseAddress, McpPath);

    /// <summary>Where tokens are issued.</summary>
    public Uri TokenEndpoint => new(BaseAddress, Issuer.TokenPath);

    /// <summary>The issuer, exactly as <c>iss</c> has it.</summary>
    public string IssuerUrl => BaseAddress.AbsoluteUri;

    /// <summary>The audience that the tools ask for.</summary>
    public string Audience => Issuer.Audience;

    /// <summary>The id of the client with a secret, made up.</summary>
    public string ClientId => Issuer.ClientId;

    /// <summary>Its secret, made up.</summary>
    public string ClientSecret => Issuer.ClientSecret;

    /// <summary>The id of the client in which people sign in; it has no secret.</summary>
    public string PublicClientId => Issuer.PublicClientId;

    /// <summary>People's sign-ins: what became of them, and a hand that allows, denies and revokes without a browser.</summary>
    public SignIns SignIns { get; }

    /// <summary>What arrived at <see cref="Endpoint"/> so far, refused requests too; the latest 10,000.</summary>
    public IReadOnlyList<ReceivedRequest> Received => _received.ToArray();

    /// <summary>The environment variables that point a client here; no token and no secret among them.</summary>
    public IReadOnlyDictionary<string, string> ClientEnvironment => new Dictionary<string, string>
    {
        [_options.Names.UrlVariable] = Endpoint.AbsoluteUri,
        [$"{SettingsPrefix}ISSUER_URL"] = IssuerUrl,
        [$"{SettingsPrefix}AUDIENCE"] = Audience,
        [$"{SettingsPrefix}REQUIRED_SCOPES"] = Gate.RequiredScope,
    };

    /// <summary>What the OAuth2 variables of a client begin with: <c>M3_OAUTH2_</c> or <c>M4_OAUTH2_</c>.</summary>
    public string SettingsPrefix => _options.Names.SettingsPrefix;

    /// <summary>Starts a server; it answers when the task completes, and until it is disposed of.</summary>
    /// <exception cref="SocketException">The port cannot be had.</exception>
    public static async Task<LocalM3Server> StartAsync(LocalM3Options? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new LocalM3Options();

        // Bound before anything else is set up: the port is part of the issuer's URL, and so of every token.
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        LocalM3Server? server = null;
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, options.Port));
            server = new LocalM3Server(options, socket);
            await server._app.StartAsync(cancellationToken);
            return server;
        }
        catch
        {
            if (server is not null)
                await server.DisposeAsync();
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Asks the token endpoint for a token, as a client would.</summary>
    /// <param name="scope">The scopes, with spaces between; none when empty.</param>
    /// <param name="audience">The audience; M3's when null.</param>
    /// <param name="algorithm"><c>RS256</c> or <c>ES256</c>; the server's own choice when null.</param>
    /// <param name="cancellationToken">Stops the request.</param>
    public async Task<string> RequestTokenAsync(
        string scope = Gate.RequiredScope, string? audience = null, string? algorithm = null, CancellationToken cancellationToken = default)
    {
        var form = new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["client_id"] = ClientId,
            ["client_secret"] = ClientSecret,
            ["audience"] = audience ?? Audience,
        };
        if (scope != "")
            form["scope"] = scope;
        if (algorithm is not null)
            form[Issuer.AlgorithmParameter] = algorithm;

        using var content = new FormUrlEncodedContent(form);
        using HttpResponseMessage response = await _http.PostAsync(TokenEndpoint, content, cancellationToken);
        response.EnsureSuccessStatusCode();
        JsonElement answer = await response.Content.ReadFromJsonAsync<JsonElement>(cancellationToken);
        return answer.GetProperty("access_token").GetString()!;
    }

    /// <summary>Signs a token with the issuer's keys, without asking it: for the tokens that no issuer would hand out.</summary>
    /// <param name="lifetime">From now; negative: it expired so long ago.</param>
    /// <param name="scopes">The scopes; M3's when null.</param>
    /// <param name="audience">The audience; M3's when null.</param>
    /// <param name="subject">The subject; the client's id when null.</param>
    /// <param name="algorithm"><c>RS256</c> or <c>ES256</c>; the server's own choice when null.</param>
    /// <param name="notBefore">The start of its life; none when null.</param>
    /// <param name="issuer">The issuer; the real one when null.</param>
    public string CreateToken(
        TimeSpan? lifetime = null,
        IEnumerable<string>? scopes = null,
        string? audience = null,
        string? subject = null,
        string? algorithm = null,
        DateTimeOffset? notBefore = null,
        string? issuer = null)
    {
        DateTimeOffset now = _options.TimeProvider.GetUtcNow();
        DateTimeOffset expires = now + (lifetime ?? _options.TokenLifetime);
        DateTimeOffset issued = expires > now ? now : expires - _options.TokenLifetime;

        var claims = new Dictionary<string, object>
        {
            ["iss"] = issuer ?? IssuerUrl,
            ["aud"] = audience ?? Audience,
            ["sub"] = subject ?? ClientId,
            ["scope"] = string.Join(' ', scopes ?? [Gate.RequiredScope]),
            ["iat"] = issued.ToUnixTimeSeconds(),
            ["exp"] = expires.ToUnixTimeSeconds(),
            // No two tokens are the same text, though made within one second.
            ["jti"] = Guid.NewGuid().ToString(),
        };
        if (notBefore is { } start)
            claims["nbf"] = start.ToUnixTimeSeconds();

        return new JsonWebTokenHandler().CreateToken(
            JsonSerializer.Serialize(claims),
            _keys.For(algorithm ?? _options.Algorithm),
            new Dictionary<string, object> { ["typ"] = "at+jwt" });
    }

    /// <summary>Stops the server.</summary>
    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        _http.Dispose();
    }

    private WebApplication Build(Socket socket)
    {
        // Empty: a server inside another program reads none of its settings and none of its environment.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        IServiceCollection services = builder.Services;

        if (_options.LoggerProvider is { } logger)
            builder.Logging.AddProvider(logger);
        services.AddSingleton<IHostLifetime, EmbeddedLifetime>();
        // An MCP client may hold a stream open for as long as it lives; stopping does not wait for that.
        services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(1));

        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen((IPEndPoint)socket.LocalEndPoint!));
        builder.WebHost.UseSockets(sockets => sockets.CreateBoundListenSocket = _ => socket);

        services.AddRouting();
        var grants = new Grants(BaseAddress, SignIns, _options);
        services.AddIssuer(BaseAddress, _keys, grants, _options);
        services.AddGate(BaseAddress, ResourceMetadata.Address(Endpoint), _options.TimeProvider);
        services.AddSingleton(_ => new MimicDatabase(_options.MoreTables));
        services.AddSingleton(_options.Names);

        IMcpServerBuilder mcp = services
            .AddMcpServer(server =>
            {
                server.ServerInfo = new Implementation { Name = "LocalM3", Version = "0.1.0" };
                server.ServerInstructions = $"A stand-in for {_options.Names.Server}. Made-up rows, no real patient.";
            })
            // Today's clients without sessions, and those that still shake hands with one, as M3 has them.
            .WithHttpTransport(http => http.SessionMode = HttpServerSessionMode.StatefulForInitializeClients)
            .WithTools<MimicTools>();
        services.AddSingleton(MimicTools.CreateQueryTool);
        if (_options.Refusals == Refusals.AsToolText)
            mcp.RefuseAsToolText(_options.Names);

        WebApplication app = builder.Build();
        // Made now rather than in a client's first call.
        app.Services.GetRequiredService<MimicDatabase>();

        app.UseWhen(context => context.Request.Path.StartsWithSegments(McpPath), branch => branch.Use(RecordAsync));
        app.UseAuthentication();
        app.UseAuthorization();

        new SignInPages(BaseAddress, SignIns, grants).Map(app);
        app.MapResourceMetadata(BaseAddress, Endpoint);
        IEndpointConventionBuilder tools = app.MapMcp(McpPath);
        if (_options.Refusals == Refusals.OverHttp)
            tools.RequireAuthorization(Gate.Policy);

        return app;
    }

    private Task RecordAsync(HttpContext context, RequestDelegate next)
    {
        HttpRequest request = context.Request;
        AuthenticationHeaderValue? authorization =
            AuthenticationHeaderValue.TryParse(request.Headers.Authorization, out AuthenticationHeaderValue? parsed) ? parsed : null;
        string? mcpMethod = request.Headers.TryGetValue("Mcp-Method", out var value) ? value.ToString() : null;

        _received.Enqueue(new ReceivedRequest(
            _options.TimeProvider.GetUtcNow(), request.Method, request.Path, authorization?.Scheme, authorization?.Parameter, mcpMethod));
        while (_received.Count > KeptRequests)
            _received.TryDequeue(out _);

        return next(context);
    }

    // The default one would take the host program's Ctrl+C away from it.
    private sealed class EmbeddedLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
