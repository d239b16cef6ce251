namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>What the pages link to is there.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class LinkTests
{
    [TestCaseSource(nameof(Pages))]
    public void Every_relative_link_leads_to_a_file_and_to_a_heading_in_it(string path)
    {
        MarkdownPage page = MarkdownPage.Open(path);

        foreach (string link in page.Links.Where(link => !link.Contains("://", StringComparison.Ordinal)))
        {
            string[] parts = link.Split('#');
            string target = parts[0].Length == 0 ? path : Path.Combine(Path.GetDirectoryName(path)!, parts[0]);
            Assert.That(Path.Exists(Path.Combine(MarkdownPage.Root, target)), Is.True, $"{path} links to {link}");
            if (parts.Length > 1)
                Assert.That(MarkdownPage.Open(target).Anchors, Does.Contain(parts[1]), $"{path} links to {link}");
        }
    }

    [Test]
    public void The_map_names_every_page_of_docs()
    {
        MarkdownPage map = MarkdownPage.Open("docs/README.md");

        // The decisions have a map of their own.
        IEnumerable<string> pages = MarkdownPage.Docs().Select(page => page.Path["docs/".Length..])
            .Where(page => page != "README.md" && !page.StartsWith("decisions/", StringComparison.Ordinal));
        Assert.That(map.Links, Is.SupersetOf(pages));
    }

    private static IEnumerable<string> Pages() => MarkdownPage.All().Select(page => page.Path);
}
