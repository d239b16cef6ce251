using System.Globalization;

namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>docs/many-machines.md has each option of the Redis package, with the default that it has.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ManyMachinesPageTests
{
    [Test]
    public void Every_option_has_its_row_and_its_default()
    {
        var defaults = new M3AuthRedisOptions();
        Dictionary<string, string> expected = typeof(M3AuthRedisOptions).GetProperties().ToDictionary(property => property.Name, property => Describe(property.Name, property.GetValue(defaults)));

        Dictionary<string, string> printed = MarkdownPage.Open("docs/many-machines.md").Rows.Where(row => expected.ContainsKey(row[0].Trim('`'))).ToDictionary(row => row[0].Trim('`'), row => row[1].Trim('`'));

        Assert.That(printed, Is.EquivalentTo(expected));
    }

    private static string Describe(string name, object? value) => value switch
    {
        null => name == nameof(M3AuthRedisOptions.Configuration) ? "the application's `IConnectionMultiplexer" : "the application's",
        TimeSpan { TotalMinutes: >= 1 } time => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes} min"),
        TimeSpan time => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds} s"),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };
}
