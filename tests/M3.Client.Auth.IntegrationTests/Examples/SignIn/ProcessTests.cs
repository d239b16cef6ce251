using System.Net.Http.Json;
using System.Text.Json;

namespace M3.Client.Auth.IntegrationTests.Examples.SignIn;

/// <summary>LocalM3 as a process of its own: what it prints about signing in, and what can be set.</summary>
public sealed class ProcessTests
{
    [TestCase("M3_OAUTH2_")]
    [TestCase("M4_OAUTH2_", "--m4")]
    public async Task It_says_how_to_sign_in_and_all_that_it_prints_can_still_be_pasted(string prefix, params string[] arguments)
    {
        await using Example process = Example.Start("LocalM3", null, arguments);
        List<string> lines = await ReadAsync(process);

        string endpoint = Exported(lines, prefix[..2] + "_URL");
        Assert.That(lines, Does.Contain($"#   m3-token login {endpoint} --client-id local-m3-cli"));
        Assert.That(lines, Has.All.StartsWith("export ").Or.StartsWith("# "));
        Assert.That(Exported(lines, prefix + "CLIENT_ID"), Is.EqualTo("local-m3-client"), "the pasted lines stay the program's");
    }

    [Test]
    public async Task Its_lifetimes_and_its_interval_can_be_set()
    {
        await using Example process = Example.Start(
            "LocalM3", null, "--device-code-lifetime", "60", "--device-interval", "0", "--refresh-token-lifetime", "1", "--token-lifetime", "7");
        string issuer = Exported(await ReadAsync(process), "M3_OAUTH2_ISSUER_URL");
        using var http = new HttpClient { BaseAddress = new Uri(issuer) };

        JsonElement device = await PostAsync(http, "connect/deviceauthorization", ("client_id", "local-m3-cli"), ("scope", ForeignClient.Scopes));
        Assert.That(device.GetProperty("expires_in").GetInt32(), Is.EqualTo(60).Or.EqualTo(59));
        Assert.That(device.GetProperty("interval").GetInt32(), Is.Zero);

        http.DefaultRequestHeaders.Add("Origin", issuer.TrimEnd('/'));
        using var allow = new FormUrlEncodedContent([new("user_code", device.GetProperty("user_code").GetString()), new("person", "ada"), new("decision", "allow")]);
        using HttpResponseMessage done = await http.PostAsync("connect/device", allow);
        Assert.That(await done.Content.ReadAsStringAsync(), Does.Contain("The device is signed in as ada."));

        JsonElement tokens = await PostAsync(http, "connect/token",
            ("client_id", "local-m3-cli"), ("grant_type", ForeignClient.DeviceGrant), ("device_code", device.GetProperty("device_code").GetString()!));
        Assert.That(tokens.GetProperty("expires_in").GetInt32(), Is.EqualTo(7).Or.EqualTo(6));
        Assert.That(tokens.GetProperty("refresh_token").GetString(), Is.Not.Empty);
    }

    private static Task<List<string>> ReadAsync(Example process) => process.ReadUntilAsync(line => line.StartsWith("# Ctrl+C", StringComparison.Ordinal));

    private static string Exported(List<string> lines, string name) => lines.Single(line => line.StartsWith($"export {name}=", StringComparison.Ordinal)).Split('=', 2)[1];

    private static async Task<JsonElement> PostAsync(HttpClient http, string path, params (string Name, string Value)[] form)
    {
        using var content = new FormUrlEncodedContent(form.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        using HttpResponseMessage response = await http.PostAsync(path, content);
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }
}
