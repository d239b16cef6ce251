using LocalM3;

namespace WrappedClient;

/// <summary>The same calls through both classes, with a good token and with bad ones.</summary>
internal static class Comparison
{
    private const string Token = "M3_OAUTH2_TOKEN";
    private const string RequiredScopes = "M3_OAUTH2_REQUIRED_SCOPES";

    public static async Task RunAsync(CancellationToken cancellationToken)
    {
        Console.WriteLine("LocalM3, a stand-in for M3: made-up rows, no real patient.");

        // As M3's own code refuses: with a text where the result would be.
        await using LocalM3Server m3 = await LocalM3Server.StartAsync(new LocalM3Options { Refusals = Refusals.AsToolText }, cancellationToken);
        foreach ((string name, string value) in m3.ClientEnvironment)
            Environment.SetEnvironmentVariable(name, value);

        await ShowAsync(m3, "a good token", m3.CreateToken(), cancellationToken);
        await ShowAsync(m3, "no token", null, cancellationToken);
        await ShowAsync(m3, "an expired token", m3.CreateToken(TimeSpan.FromMinutes(-5)), cancellationToken);
        await ShowAsync(m3, "a token for another API", m3.CreateToken(audience: "another-api"), cancellationToken);
        await ShowAsync(m3, "a token without the scope", m3.CreateToken(scopes: ["read:notes"]), cancellationToken);

        // What only M3 knows comes back in the same type: here it requires more than this client was told.
        Environment.SetEnvironmentVariable(RequiredScopes, "");
        await ShowAsync(m3, "a token without the scope, when only M3 knows that it is required", m3.CreateToken(scopes: ["read:notes"]), cancellationToken);
    }

    private static async Task ShowAsync(LocalM3Server m3, string what, string? token, CancellationToken cancellationToken)
    {
        Environment.SetEnvironmentVariable(Token, token);
        Console.WriteLine();
        Console.WriteLine($"With {what}");
        await ShowAsync(m3, "before", async () =>
        {
            await using var client = await Before.M3Client.ConnectAsync(m3.Endpoint, cancellationToken);
            return await client.GetIcuStaysAsync(2, cancellationToken);
        });
        await ShowAsync(m3, "after", async () =>
        {
            await using var client = await After.M3Client.ConnectAsync(m3.Endpoint, cancellationToken);
            return await client.GetIcuStaysAsync(2, cancellationToken);
        });
    }

    private static async Task ShowAsync(LocalM3Server m3, string when, Func<Task<IReadOnlyList<IcuStay>>> call)
    {
        int arrived = m3.Received.Count;
        string seen;
        try
        {
            seen = string.Join("\n          ", await call());
        }
        catch (M3AuthException e)
        {
            seen = $"{e.GetType().Name}: {e.Message}\n          {e.Remedy}";
        }
        catch (InvalidOperationException e)
        {
            seen = $"{e.GetType().Name}: {e.Message}";
        }

        Console.WriteLine($"  {when,-6}  {seen}");
        Console.WriteLine($"          ({m3.Received.Count - arrived} requests reached M3)");
    }
}
