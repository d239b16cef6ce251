using System.Reflection;
using System.Text.RegularExpressions;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Errors;

/// <summary>Keeps TROUBLESHOOTING.md and the errors in step.</summary>
public sealed partial class TroubleshootingTests
{
    private static readonly string[] RequiredScopes = ["read:mimic-data"];

    public static M3AuthError[] Errors => Enum.GetValues<M3AuthError>();

    [TestCaseSource(nameof(Errors))]
    public void An_error_has_its_section_and_its_remedy_points_there(M3AuthError error)
    {
        M3AuthException exception = Create(error);
        string remedy = exception.Remedy;
        Match link = Link().Match(remedy);

        Assert.That(link.Success, remedy);
        Assert.That(remedy, Does.EndWith(exception.HelpLink!));
        string anchor = link.Groups[1].Value;
        Dictionary<string, (string Title, string Body)> sections = Sections();
        Assert.That(sections, Contains.Key(anchor));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(sections[anchor].Title, error == M3AuthError.JwksUnavailable ? Is.EqualTo("JWKS unavailable") : Is.EqualTo(exception.DocumentedMessage));
            Assert.That(sections[anchor].Body, Does.Contain($"**You see** `{exception.DocumentedMessage}"));
            Assert.That(sections[anchor].Body, Does.Contain("**Why.**").And.Contain("**Do.**"));
            Assert.That(remedy, Has.Length.InRange(60, 350));
            // What the remedy tells to set is what the section explains.
            foreach (Match setting in Setting().Matches(remedy))
                Assert.That(sections[anchor].Body, Does.Contain(setting.Value));
        }
    }

    [Test]
    public void The_sections_stand_in_the_order_of_the_errors_and_there_are_no_others()
    {
        IEnumerable<string> expected = Errors.Select(error => Link().Match(Create(error).Remedy).Groups[1].Value);

        Assert.That(Sections().Keys, Is.EqualTo(expected.Append("settings").Append("other-answers")));
    }

    [TestCaseSource(nameof(Errors))]
    public void The_table_at_the_top_has_every_error_with_its_exit_code(M3AuthError error)
    {
        string anchor = Link().Match(Create(error).Remedy).Groups[1].Value;

        Assert.That(Document(), Does.Match($@"\| `{error}` \| \[[^\]]+\]\(#{anchor}\) \| [^|]+ \| {10 + (int)error} \|"));
    }

    [Test]
    public void Every_link_inside_the_document_leads_somewhere()
    {
        Dictionary<string, (string Title, string Body)> sections = Sections();

        foreach (Match link in InnerLink().Matches(Document()))
            Assert.That(sections, Contains.Key(link.Groups[1].Value));
    }

    /// <summary>Makes the error's one exception type, by its name.</summary>
    private static M3AuthException Create(M3AuthError error)
    {
        Type type = typeof(M3AuthException).Assembly.GetType($"M3.Client.Auth.{error}Exception", throwOnError: true)!;
        ConstructorInfo constructor = type.GetConstructors().Single();
        object?[] arguments = [.. constructor.GetParameters().Select(parameter => parameter.Name == "required" ? RequiredScopes
            : parameter.ParameterType == typeof(bool) ? false : (object?)null)];
        var exception = (M3AuthException)constructor.Invoke(arguments);
        Assert.That(exception.Error, Is.EqualTo(error));
        return exception;
    }

    private static Dictionary<string, (string Title, string Body)> Sections()
    {
        Dictionary<string, (string, string)> sections = [];
        foreach (string part in Document().Split("\n## ").Skip(1))
        {
            string title = part[..part.IndexOf('\n')];
            // As GitHub makes anchors of headings.
            sections.Add(title.ToLowerInvariant().Replace(' ', '-'), (title, part));
        }

        return sections;
    }

    private static string Document() => Page.Read("TROUBLESHOOTING.md");

    [GeneratedRegex(@" See https://github\.com/m3-client/M3\.Client\.Auth/blob/main/TROUBLESHOOTING\.md#([a-z0-9-]+)$")]
    private static partial Regex Link();

    [GeneratedRegex(@"\]\(#([a-z0-9-]+)\)")]
    private static partial Regex InnerLink();

    [GeneratedRegex("M3_OAUTH2_[A-Z_]*[A-Z]")]
    private static partial Regex Setting();
}
