using System.Reflection;
using System.Text.RegularExpressions;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests;

/// <summary>SECURITY.md promises no test that is not there.</summary>
public sealed partial class SecurityPolicyTests
{
    private static readonly string Policy = Page.Read("SECURITY.md");

    private static readonly HashSet<string> Tests =
    [
        .. from type in typeof(SecurityPolicyTests).Assembly.GetTypes()
           from method in type.GetMethods(BindingFlags.Public | BindingFlags.Instance)
           where method.GetCustomAttributes().Any(attribute => attribute is TestAttribute or TestCaseAttribute or TestCaseSourceAttribute)
               && method.GetCustomAttribute<IgnoreAttribute>() is null && method.GetCustomAttribute<ExplicitAttribute>() is null
           select $"{type.Name}.{method.Name}",
    ];

    [Test]
    public void Every_test_that_SECURITY_md_names_exists()
    {
        string[] named = [.. TestName().Matches(Policy).Select(match => match.Groups[1].Value).Distinct()];

        TestContext.Out.WriteLine($"{named.Length} tests named");
        Assert.That(named, Has.Length.GreaterThanOrEqualTo(25));
        Assert.That(named.Except(Tests), Is.Empty);
    }

    [Test]
    public void Every_practice_of_RFC_8725_has_a_row_with_a_test()
    {
        string[] rows = [.. Policy.Split('\n').Where(line => SectionRow().IsMatch(line))];

        for (int practice = 1; practice <= 12; practice++)
        {
            string section = $"3.{practice}";
            string[] about = [.. rows.Where(row => row.Split('|')[1].Split(',').Any(one => one.Trim() == section))];
            Assert.That(about, Is.Not.Empty, section);
            Assert.That(about.Select(row => row.Split('|')[4]), Is.All.Contains("Tests."), section);
        }
    }

    [GeneratedRegex(@"`(\w+Tests\.\w+)`")]
    private static partial Regex TestName();

    [GeneratedRegex(@"^\| \d\.\d+")]
    private static partial Regex SectionRow();
}
