using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace M3.Client.Auth.IntegrationTests.Support;

/// <summary>A home directory with one person's sign-in, in the file and the format in which it is kept.</summary>
internal sealed class KeptSignIn(string issuerUrl) : IDisposable
{
    private const string Past = "2026-11-23T12:00:00.0000000+00:00";

    private readonly string _home = Directory.CreateTempSubdirectory("m3-client-auth").FullName;

    public string Folder => Path.Combine(_home, "sign-ins");

    public string File => Path.Combine(Folder, NameOf(issuerUrl, OidcProvider.OidcProvider.NativeClientId, TestIssuer.Audience));

    public JsonNode Content => JsonNode.Parse(System.IO.File.ReadAllText(File))!;

    public string? RefreshToken => (string?)Content["refresh_token"];

    /// <summary>How a sign-in's file is called.</summary>
    public static string NameOf(string issuerUrl, string clientId, string audience) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{issuerUrl}\n{clientId}\n{audience}"))) + ".json";

    /// <summary>What a program that finds it is started with. Whatever it writes, it writes into this home.</summary>
    public Dictionary<string, string> Environment => new()
    {
        ["M3_SIGN_IN_DIRECTORY"] = Folder,
        ["M3_OAUTH2_ISSUER_URL"] = issuerUrl,
        ["M3_OAUTH2_AUDIENCE"] = TestIssuer.Audience,
        ["M3_OAUTH2_DEBUG"] = "true",
        ["HOME"] = _home,
        ["TMPDIR"] = _home,
        ["DOTNET_EnableDiagnostics"] = "0",
    };

    /// <summary>Signs in: with this refresh token, and an access token that has expired.</summary>
    public void Write(string refreshToken)
    {
        if (!OperatingSystem.IsWindows())
            Directory.CreateDirectory(Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        WriteFile(File, new JsonObject
        {
            ["version"] = 1,
            ["issuer"] = issuerUrl,
            ["client_id"] = OidcProvider.OidcProvider.NativeClientId,
            ["audience"] = TestIssuer.Audience,
            ["scope"] = "openid offline_access read:mimic-data",
            ["resource"] = OidcProvider.OidcProvider.Resource,
            ["subject"] = "researcher",
            ["signed_in_at"] = Past,
            ["access_token"] = "expired",
            ["access_token_expires_at"] = Past,
            ["refresh_token"] = refreshToken,
        });
    }

    /// <summary>Lets the access token expire.</summary>
    public void Expire()
    {
        JsonNode content = Content;
        Expire(content);
        WriteFile(File, content);
    }

    /// <summary>Lets the access token in a file's content expire.</summary>
    public static void Expire(JsonNode content) => content["access_token_expires_at"] = Past;

    /// <summary>Every file of the home but the sign-in's own in which one of the tokens stands.</summary>
    public IEnumerable<string> FilesWith(IReadOnlyCollection<string> tokens) =>
        from file in Directory.EnumerateFiles(_home, "*", SearchOption.AllDirectories)
        where file != File
        let text = Encoding.Latin1.GetString(System.IO.File.ReadAllBytes(file))
        where tokens.Any(token => text.Contains(token, StringComparison.Ordinal))
        select file;

    public void Dispose() => Directory.Delete(_home, recursive: true);

    /// <summary>Writes a sign-in's file, which its owner alone can read.</summary>
    public static void WriteFile(string path, JsonNode content)
    {
        System.IO.File.WriteAllText(path, content.ToJsonString());
        if (!OperatingSystem.IsWindows())
            System.IO.File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }
}
