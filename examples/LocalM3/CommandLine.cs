using System.Globalization;

namespace LocalM3;

/// <summary>What can be said when LocalM3 is started by itself.</summary>
internal static class CommandLine
{
    public const string Help =
        """
        LocalM3: a stand-in for M3 on this machine, with made-up rows (no real patient).

        Usage: dotnet run --project examples/LocalM3 [-- OPTIONS]

          --port N                   listen on 127.0.0.1:N (default: a free port)
          --token-lifetime SECONDS   how long a token lasts (default: 1800)
          --algorithm RS256|ES256    what signs tokens (default: RS256)
          --help                     show this

        Ctrl+C stops it.
        """;

    /// <exception cref="FormatException">An option is unknown, or its value is no good.</exception>
    public static LocalM3Options Parse(string[] args)
    {
        var options = new LocalM3Options();
        for (int i = 0; i < args.Length; i += 2)
        {
            string name = args[i];
            string? value = args.ElementAtOrDefault(i + 1);
            switch (name)
            {
                case "--port":
                    options.Port = Number(name, value, 0, 65535);
                    break;
                case "--token-lifetime":
                    options.TokenLifetime = TimeSpan.FromSeconds(Number(name, value, 1, int.MaxValue));
                    break;
                case "--algorithm":
                    options.Algorithm = SigningKeys.Algorithms.Contains(value)
                        ? value!
                        : throw new FormatException($"--algorithm takes RS256 or ES256, not {Echo.Quote(value)}.");
                    break;
                default:
                    throw new FormatException(Echo.Unknown(name));
            }
        }

        return options;
    }

    private static int Number(string name, string? text, int min, int max) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= min && number <= max
            ? number
            : throw new FormatException($"{name} takes a whole number from {min} to {max}, not {Echo.Quote(text)}.");
}
