using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.Playwright;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary>An issuer that rotates refresh tokens and notices one that comes twice, and an M3 behind it. Access tokens last for seconds.</summary>
internal abstract class SignInScene : IAsyncDisposable
{
    /// <summary>Of an access token, in seconds: long enough for a sign-in on a busy machine, short enough to wait for its end.</summary>
    public const int TokenLifetime = 5;

    private readonly HttpClient _http = new();

    public static IReadOnlyList<string> Issuers { get; } = ["LocalM3", "oidc-provider"];

    public abstract string IssuerUrl { get; }

    public abstract string ClientId { get; }

    public abstract Uri M3 { get; }

    /// <summary>What <c>m3-token login</c> is told, the grant aside.</summary>
    public abstract string[] Login { get; }

    /// <summary>The person allows the device.</summary>
    public abstract Task AllowDeviceAsync(string userCode);

    /// <summary>The person allows the device by the code that the tool shows.</summary>
    /// <returns>What it has shown.</returns>
    public async Task<IEnumerable<string>> AllowShownDeviceAsync(Example tool)
    {
        (List<string> shown, string userCode) = await SignInHome.ReadUserCodeAsync(tool.ReadErrorUntilAsync);
        await AllowDeviceAsync(userCode);
        return shown;
    }

    /// <summary>The person signs in at the issuer's page, and allows the client.</summary>
    public abstract Task AllowAsync(IPage page);

    /// <summary>How often a refresh token came, and how often one that was refused.</summary>
    public abstract Task<(int Came, int Refused)> CountRefreshTokensAsync();

    public static async Task<SignInScene> StartAsync(string issuer) => issuer == "LocalM3" ? await LocalScene.StartAsync() : await OidcProviderScene.StartAsync();

    /// <summary>Returns when M3 refuses an access token: it has expired, whatever the clocks say.</summary>
    public Task WaitUntilRefusedAsync(string accessToken) => Eventually.UntilAsync(async () => await CallAsync(accessToken) == HttpStatusCode.Unauthorized);

    /// <summary>What the issuer says to a refresh token that somebody has a copy of.</summary>
    public async Task<(HttpStatusCode Status, string? Error)> RefreshAsync(string refreshToken)
    {
        JsonElement metadata = await _http.GetFromJsonAsync<JsonElement>(new Uri($"{IssuerUrl.TrimEnd('/')}/.well-known/openid-configuration"));
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "refresh_token",
            ["client_id"] = ClientId,
            ["refresh_token"] = refreshToken,
        });
        using HttpResponseMessage response = await _http.PostAsync(metadata.GetProperty("token_endpoint").GetString(), form);
        JsonElement answer = await response.Content.ReadFromJsonAsync<JsonElement>();
        return (response.StatusCode, answer.TryGetProperty("error", out JsonElement error) ? error.GetString() : null);
    }

    public virtual ValueTask DisposeAsync()
    {
        _http.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<HttpStatusCode> CallAsync(string accessToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, M3);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", accessToken);
        using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return response.StatusCode;
    }

    /// <summary>OpenIddict, and an M3 that says itself who issues its tokens.</summary>
    private sealed class LocalScene(LocalM3Server m3) : SignInScene
    {
        public override string IssuerUrl => m3.IssuerUrl;

        public override string ClientId => m3.PublicClientId;

        public override Uri M3 => m3.Endpoint;

        public override string[] Login => [M3.AbsoluteUri, "--client-id", ClientId, "--yes"];

        public static async Task<SignInScene> StartAsync() => new LocalScene(await LocalM3Server.StartAsync(new LocalM3Options
        {
            TokenLifetime = TimeSpan.FromSeconds(TokenLifetime),
            DeviceInterval = TimeSpan.FromSeconds(1),
        }));

        public override Task AllowDeviceAsync(string userCode)
        {
            m3.SignIns.Approve(userCode);
            return Task.CompletedTask;
        }

        public override Task AllowAsync(IPage page) => page.GetByRole(AriaRole.Button, new() { Name = "Allow" }).ClickAsync();

        public override Task<(int Came, int Refused)> CountRefreshTokensAsync() => Task.FromResult((m3.SignIns.RefreshRequests, m3.SignIns.RefreshTokenReuses));

        public override async ValueTask DisposeAsync()
        {
            await m3.DisposeAsync();
            await base.DisposeAsync();
        }
    }

    /// <summary>npm's oidc-provider, and ASP.NET Core's own judgement of what arrives; the person names the issuer.</summary>
    private sealed class OidcProviderScene(OidcProvider.OidcProvider issuer, WebApplication m3) : SignInScene
    {
        public override string IssuerUrl => issuer.IssuerUrl;

        public override string ClientId => OidcProvider.OidcProvider.NativeClientId;

        public override Uri M3 => new(m3.Urls.Single());

        public override string[] Login =>
            ["--issuer", IssuerUrl, "--audience", TestIssuer.Audience, "--client-id", ClientId, "--resource", OidcProvider.OidcProvider.Resource];

        public static async Task<SignInScene> StartAsync()
        {
            var issuer = await OidcProvider.OidcProvider.StartAsync(tokenLifetime: TokenLifetime);
            return new OidcProviderScene(issuer, await OidcProvider.OidcProviderTests.StartServerAsync(issuer.IssuerUrl, TimeSpan.Zero));
        }

        public override Task AllowDeviceAsync(string userCode) => issuer.AnswerDeviceAsync(userCode, yes: true);

        public override async Task AllowAsync(IPage page)
        {
            await page.GetByPlaceholder("Enter any login").FillAsync("researcher");
            await page.GetByPlaceholder("and password").FillAsync("any");
            await page.GetByRole(AriaRole.Button, new() { Name = "Sign-in" }).ClickAsync();
            await page.GetByRole(AriaRole.Button, new() { Name = "Continue" }).ClickAsync();
        }

        public override async Task<(int Came, int Refused)> CountRefreshTokensAsync()
        {
            int refused = await issuer.CountAsync("refresh_token invalid_grant");
            return (await issuer.CountAsync("refresh_token granted") + refused, refused);
        }

        public override async ValueTask DisposeAsync()
        {
            await m3.DisposeAsync();
            await issuer.DisposeAsync();
            await base.DisposeAsync();
        }
    }
}
