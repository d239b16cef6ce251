using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace M3.Client.Auth.IntegrationTests.OidcProvider;

/// <summary>npm's certified <c>oidc-provider</c> as a process: an issuer that nobody here wrote. Needs Node.js and <c>npm ci</c> in its folder.</summary>
internal sealed class OidcProvider : IAsyncDisposable
{
    public const string ClientId = "m3-client";
    public const string ClientSecret = "made-up-secret";

    /// <summary>A public client that people sign in with.</summary>
    public const string NativeClientId = "m3-native";

    /// <summary>What a person's tokens are asked for.</summary>
    public const string Resource = "https://m3.example/rs256";

    private readonly Process _process;

    private OidcProvider(Process process, string issuerUrl)
    {
        _process = process;
        IssuerUrl = issuerUrl;
    }

    public string IssuerUrl { get; }

    /// <summary>Starts it on a port that the system picks; where it cannot run, the test is skipped and says why.</summary>
    /// <param name="clientJwks">The public keys of clients that prove themselves by one, a JSON array; the client's id is <c>m3-key-</c> and the key's <c>alg</c>.</param>
    /// <param name="tokenLifetime">How long an access token lasts, in seconds.</param>
    public static async Task<OidcProvider> StartAsync(string clientJwks = "[]", int tokenLifetime = 600)
    {
        string folder = Path.GetFullPath(Path.Combine(Folder(), "../../oidc-provider"));
        if (!Directory.Exists(Path.Combine(folder, "node_modules")))
            Assert.Ignore("oidc-provider is not installed: run 'npm ci' in tests/oidc-provider (Node.js 20 or later)");

        Process? process = null;
        try
        {
            process = Process.Start(new ProcessStartInfo("node", "server.js")
            {
                WorkingDirectory = folder,
                Environment = { ["CLIENT_JWKS"] = clientJwks, ["ACCESS_TOKEN_LIFETIME"] = $"{tokenLifetime}" },
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            });
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("Node.js is not on the path");
        }

        process!.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        string? issuer = await process.StandardOutput.ReadLineAsync();
        return issuer is not null ? new OidcProvider(process, issuer) : throw new InvalidOperationException("oidc-provider did not start");
    }

    /// <summary>Client credentials for a resource whose tokens are signed by this algorithm.</summary>
    public M3AuthOptions OptionsFor(string algorithm) => new()
    {
        IssuerUrl = IssuerUrl,
        Audience = TestIssuer.Audience,
        TokenSource = TokenSources.ClientCredentials(ClientId, ClientSecret, new Dictionary<string, string>
        {
            ["resource"] = $"https://m3.example/{(algorithm == "ES256" ? "es256" : "rs256")}",
        }),
    };

    /// <summary>A person signs in anew.</summary>
    /// <returns>The refresh token.</returns>
    public async Task<string> SignInAsync() => (await AskAsync("sign-in"))["refresh_token"]!.GetValue<string>();

    /// <summary>A person answers a device code.</summary>
    public Task AnswerDeviceAsync(string userCode, bool yes) => AskAsync($"device?user_code={userCode}&say={(yes ? "yes" : "no")}");

    /// <summary>How often tokens were asked for so, with that outcome.</summary>
    public async Task<int> CountAsync(string grantAndOutcome) => (await AskAsync("counts"))[grantAndOutcome]?.GetValue<int>() ?? 0;

    private async Task<JsonNode> AskAsync(string what)
    {
        using var client = new HttpClient();
        return JsonNode.Parse(await client.GetStringAsync($"{IssuerUrl}/test/{what}"))!;
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private static string Folder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
