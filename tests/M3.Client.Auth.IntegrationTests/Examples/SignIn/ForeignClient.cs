using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace M3.Client.Auth.IntegrationTests.Examples.SignIn;

/// <summary>Plain HTTP, as any OAuth2 client and any browser would speak it to LocalM3.</summary>
internal sealed class ForeignClient(LocalM3Server m3) : IDisposable
{
    public const string DeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";
    public const string Scopes = "read:mimic-data offline_access";

    private const string Initialize =
        """
        {"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"foreign","version":"1"}}}
        """;

    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = m3.BaseAddress };

    /// <summary>POSTs a form to a protocol endpoint.</summary>
    public async Task<Answer> PostAsync(string path, params (string Name, string Value)[] form)
    {
        using HttpResponseMessage response = await SendAsync(path, form, origin: null);
        string body = await response.Content.ReadAsStringAsync();
        return new Answer(response.StatusCode, body is "" ? default : JsonDocument.Parse(body).RootElement);
    }

    /// <summary>POSTs a form from a page, as a browser does: with the page's origin.</summary>
    public Task<HttpResponseMessage> SubmitAsync(string path, string? origin, params (string Name, string Value)[] form) => SendAsync(path, form, origin);

    public Task<HttpResponseMessage> GetAsync(string path) => _http.GetAsync(new Uri(path, UriKind.RelativeOrAbsolute));

    public Task<JsonElement> GetJsonAsync(string path) => _http.GetFromJsonAsync<JsonElement>(path);

    public Task<Answer> StartDeviceAsync(string scope = Scopes, params (string Name, string Value)[] more) =>
        PostAsync("connect/deviceauthorization", [("client_id", m3.PublicClientId), ("scope", scope), .. more]);

    public Task<Answer> PollAsync(Answer device) => PostAsync(
        "connect/token", ("grant_type", DeviceGrant), ("client_id", m3.PublicClientId), ("device_code", device["device_code"]));

    public Task<Answer> RefreshAsync(string refreshToken, params (string Name, string Value)[] more) =>
        PostAsync("connect/token", [("grant_type", "refresh_token"), ("client_id", m3.PublicClientId), ("refresh_token", refreshToken), .. more]);

    public Task<Answer> RevokeAsync(string token) => PostAsync("connect/revocation", ("client_id", m3.PublicClientId), ("token", token));

    /// <summary>A person's tokens, by device code.</summary>
    public async Task<Answer> SignInAsync(string person = "ada", params (string Name, string Value)[] more)
    {
        Answer device = await StartDeviceAsync(Scopes, more);
        m3.SignIns.Approve(device["user_code"], person);
        return await PollAsync(device);
    }

    /// <summary>What M3 answers to a token.</summary>
    public async Task<HttpStatusCode> CallM3Async(string? token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, m3.Endpoint);
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        request.Headers.Accept.ParseAdd("application/json");
        request.Headers.Accept.ParseAdd("text/event-stream");
        request.Content = new StringContent(Initialize, Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await _http.SendAsync(request);
        return response.StatusCode;
    }

    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> SendAsync(string path, (string Name, string Value)[] form, string? origin)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path);
        request.Content = new FormUrlEncodedContent(form.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        if (origin is not null)
            request.Headers.Add("Origin", origin);
        return await _http.SendAsync(request);
    }
}

/// <summary>What a protocol endpoint answered.</summary>
internal sealed record Answer(HttpStatusCode Status, JsonElement Body)
{
    public string this[string name] => Body.GetProperty(name).ToString();

    public string? Error => Body.ValueKind == JsonValueKind.Object && Body.TryGetProperty("error", out JsonElement error) ? error.GetString() : null;

    /// <summary>The claims of its access token.</summary>
    public JsonElement Claims => JsonDocument.Parse(Base64UrlText(this["access_token"].Split('.')[1])).RootElement;

    public string[] Audiences => Claims.GetProperty("aud") is { ValueKind: JsonValueKind.Array } several
        ? [.. several.EnumerateArray().Select(one => one.GetString()!)]
        : [Claims.GetProperty("aud").GetString()!];

    private static string Base64UrlText(string text) => Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(text));
}
