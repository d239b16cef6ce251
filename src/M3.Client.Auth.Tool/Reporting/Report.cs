using System.Text.Json.Nodes;

namespace M3.Client.Auth.Tool;

/// <summary>A table of the report, for people.</summary>
/// <param name="Title">Its heading.</param>
/// <param name="Columns">The columns' names; none: each row is a line to be copied.</param>
/// <param name="Rows">What stands in them, not yet made safe.</param>
internal sealed record Section(string Title, string[] Columns, IReadOnlyList<string?[]> Rows);

/// <summary>What was found out, whichever way it is shown. Every output takes its texts through <see cref="Redaction"/>.</summary>
internal sealed class Report
{
    private readonly List<Section> _sections = [];
    private readonly JsonObject _details = [];
    private Section? _last;

    /// <summary>In the order in which they are shown.</summary>
    public IEnumerable<Section> Sections => _last is null ? _sections : _sections.Append(_last);

    /// <summary>The same as the sections, typed, for programs.</summary>
    public JsonObject Details => _details;

    /// <summary>What must not be shown.</summary>
    public Redaction Redaction { get; } = new();

    /// <summary>One line: what came of it.</summary>
    public string Verdict { get; private set; } = "";

    /// <summary>What failed; null when nothing did.</summary>
    public Failure? Failure { get; private set; }

    /// <summary>What else catches the eye, a line each.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>Whether another program reads what the command puts out: then nothing else stands there, and a failure is told on standard error.</summary>
    public bool IsForProgram { get; set; }

    public int ExitCode => Failure?.ExitCode ?? Tool.ExitCode.Ok;

    /// <param name="section">A table without rows is left out.</param>
    /// <param name="key">The name under which the same rows stand in JSON, by the columns' names; null: they stand there otherwise.</param>
    public void Add(Section section, string? key = null)
    {
        if (section.Rows.Count > 0)
            _sections.Add(section);
        if (key is not null)
            Set(key, Json.Table(section));
    }

    /// <summary>Shows a table behind all others.</summary>
    public void AddLast(Section section) => _last = section;

    public void Set(string key, JsonNode? value) => _details[key] = value;

    public void Succeed(string verdict) => Verdict = verdict;

    /// <param name="error">What failed.</param>
    /// <param name="remedy">What to do, where more is known than the error says.</param>
    public void Fail(M3AuthException error, string? remedy = null) => Fail(new Failure(
        error.Error.ToString(), Tool.ExitCode.Of(error.Error), error.Message, remedy ?? error.Remedy, error.DocumentedMessage, error.IsTransient));

    public void FailSettings(IEnumerable<string> failures, string remedy = "Correct these settings.") =>
        Fail(new Failure("Settings", Tool.ExitCode.Settings, string.Join("; ", failures), $"{remedy} See {HelpLinks.To(HelpLinks.Settings)}"));

    public void FailSignIn(string message, string remedy) => Fail(new Failure("SignIn", Tool.ExitCode.Failed, message, remedy));

    public void FailUsage(string message) => Fail(new Failure("Usage", Tool.ExitCode.Usage, message, "See m3-token --help."));

    public void FailOtherwise(Exception error) => Fail(new Failure("Failed", Tool.ExitCode.Failed, $"{error.GetType().Name}: {error.Message}",
        $"Check the address, and that M3 can be reached from here. See {HelpLinks.To("other-answers")}", IsTransient: error is HttpRequestException or TimeoutException));

    private void Fail(Failure failure) => (Verdict, Failure) = (failure.Message, failure);
}

/// <summary>Why the tool does not end with 0.</summary>
/// <param name="Error">An <see cref="M3AuthError"/>, <c>Settings</c>, <c>SignIn</c>, <c>Usage</c> or <c>Failed</c>.</param>
/// <param name="ExitCode">What the process ends with.</param>
/// <param name="Message">What happened.</param>
/// <param name="Remedy">What to do.</param>
/// <param name="DocumentedMessage">M3's own words, of an <see cref="M3AuthError"/>.</param>
/// <param name="IsTransient">Whether the same can succeed later.</param>
internal sealed record Failure(string Error, int ExitCode, string Message, string Remedy, string? DocumentedMessage = null, bool IsTransient = false);
