using System.CommandLine;

namespace LocalM3;

/// <summary>What can be said when LocalM3 is started by itself.</summary>
internal static class CommandLine
{
    public const string Notes =
        """
        It prints the variables that point a client at it. Ctrl+C stops it.

        Exit code: 0 stopped, 1 the port cannot be had, 2 a wrong argument.
        """;

    private static readonly Option<bool> M4 = new("--m4") { Description = "go by the names of M4, M3's successor: M4_OAUTH2_..., execute_query" };

    private static readonly Option<long?> Port = ExampleCommand.WholeNumber(
        "--port", 0, 65535, "listen on 127.0.0.1:N (default: a free port)");

    private static readonly Option<long?> TokenLifetime = ExampleCommand.WholeNumber(
        "--token-lifetime", 1, int.MaxValue, "how many seconds a token lasts (default: 1800)");

    private static readonly Option<long?> RefreshTokenLifetime = ExampleCommand.WholeNumber(
        "--refresh-token-lifetime", 1, int.MaxValue, "how many seconds a person's refresh token lasts (default: 1209600)");

    private static readonly Option<long?> DeviceCodeLifetime = ExampleCommand.WholeNumber(
        "--device-code-lifetime", 1, int.MaxValue, "how many seconds a device's code waits for a person (default: 600)");

    private static readonly Option<long?> DeviceInterval = ExampleCommand.WholeNumber(
        "--device-interval", 0, int.MaxValue, "how many seconds a device waits between two polls (default: 5)");

    private static readonly Option<string?> Algorithm = ExampleCommand.Text(
        "--algorithm", "RS256|ES256", SigningKeys.Algorithms.Contains, "RS256 or ES256", "what signs tokens (default: RS256)");

    public static RootCommand Create() => new(
        """
        LocalM3: a stand-in for M3 on this machine, with made-up rows (no real patient).
        Start it with: dotnet run --project examples/LocalM3 [-- OPTIONS]
        """)
    {
        M4,
        Port,
        TokenLifetime,
        RefreshTokenLifetime,
        DeviceCodeLifetime,
        DeviceInterval,
        Algorithm,
    };

    public static LocalM3Options Read(ParseResult parsed)
    {
        var options = new LocalM3Options { M4 = parsed.GetValue(M4) };
        if (parsed.GetValue(Port) is { } port)
            options.Port = (int)port;
        options.TokenLifetime = Seconds(TokenLifetime, options.TokenLifetime);
        options.RefreshTokenLifetime = Seconds(RefreshTokenLifetime, options.RefreshTokenLifetime);
        options.DeviceCodeLifetime = Seconds(DeviceCodeLifetime, options.DeviceCodeLifetime);
        options.DeviceInterval = Seconds(DeviceInterval, options.DeviceInterval);
        if (parsed.GetValue(Algorithm) is { } algorithm)
            options.Algorithm = algorithm;
        return options;

        TimeSpan Seconds(Option<long?> option, TimeSpan otherwise) =>
            parsed.GetValue(option) is { } seconds ? TimeSpan.FromSeconds(seconds) : otherwise;
    }
}
