using System.Globalization;

namespace M3.Client.Auth.Tool;

/// <summary>Asks the person at the terminal. The question goes to standard error: what a command puts out is its report.</summary>
internal static class Question
{
    /// <summary>Whether anybody is there to answer.</summary>
    public static bool CanBeAsked => !Console.IsInputRedirected;

    /// <returns>False unless the answer is yes.</returns>
    public static async Task<bool> ConfirmAsync(string question, CancellationToken cancellationToken)
    {
        Console.Error.Write($"{question} [y/N] ");
        string? said = await ReadAsync(cancellationToken);
        return string.Equals(said, "y", StringComparison.OrdinalIgnoreCase) || string.Equals(said, "yes", StringComparison.OrdinalIgnoreCase);
    }

    /// <exception cref="SignInException">None was chosen.</exception>
    public static async Task<string> ChooseAsync(string question, IReadOnlyList<string> choices, CancellationToken cancellationToken)
    {
        Console.Error.WriteLine(question);
        for (int i = 0; i < choices.Count; i++)
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    {i + 1}  {Printable.Text(choices[i], 500)}"));
        Console.Error.Write(string.Create(CultureInfo.InvariantCulture, $"Which one? [1-{choices.Count}] "));
        return int.TryParse(await ReadAsync(cancellationToken), NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= 1 && number <= choices.Count
            ? choices[number - 1]
            : throw new SignInException("none of them was chosen", $"Answer with a number from 1 to {choices.Count.ToString(CultureInfo.InvariantCulture)}, or name one: --issuer URL.");
    }

    // Reading the console cannot be cancelled; waiting for it can.
    private static async Task<string?> ReadAsync(CancellationToken cancellationToken) => (await Task.Run(Console.In.ReadLine, cancellationToken).WaitAsync(cancellationToken))?.Trim();
}
