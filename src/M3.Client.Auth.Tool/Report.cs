
namespace M3.Client.Auth.Tool;

/// <summary>A table of the report.</summary>
/// <param name="Key">Its name in JSON.</param>
/// <param name="Title">Its heading.</param>
/// <param name="Columns">The columns' names, in JSON too.</param>
/// <param name="Rows">What stands in them, safe to be shown.</param>
internal sealed record Section(string Key, string Title, string[] Columns, List<string[]> Rows);

/// <summary>What was found out, whichever way it is shown. Whatever comes in is made safe here.</summary>
internal sealed class Report
{
    public List<Section> Sections { get; } = [];

    public int ExitCode { get; private set; } = Tool.ExitCode.Ok;

    /// <summary>One line: what came of it.</summary>
    public string Verdict { get; private set; } = "";

    /// <summary>What failed: an <see cref="M3AuthError"/>, <c>Settings</c> or <c>Failed</c>; null when nothing did.</summary>
    public string? Error { get; private set; }

    public string? DocumentedMessage { get; private set; }

    public string? Remedy { get; private set; }

    public void Add(string key, string title, string[] columns, IEnumerable<string?[]> rows) =>
        Sections.Add(new(key, title, columns, [.. rows.Select(row => row.Select(Shown.Text).ToArray())]));

    public void Succeed(string verdict) => Verdict = Shown.Text(verdict);

    public void Fail(M3AuthException error)
    {
        Fail(error.Error.ToString(), Tool.ExitCode.Of(error.Error), error.Message, error.Remedy);
        DocumentedMessage = error.DocumentedMessage;
    }

    public void FailSettings(IEnumerable<string> failures) => Fail("Settings", Tool.ExitCode.Settings, string.Join("; ", failures),
        "Correct these settings. See TROUBLESHOOTING.md#settings.");

    public void FailOtherwise(Exception error) => Fail("Failed", Tool.ExitCode.Failed, $"{error.GetType().Name}: {error.Message}",
        "Check the address, and that M3 can be reached from here. See TROUBLESHOOTING.md#other-answers.");

    private void Fail(string error, int exitCode, string message, string remedy)
    {
        (Error, ExitCode, Verdict, Remedy) = (error, exitCode, Shown.Text(message), Shown.Text(remedy));
    }
}
