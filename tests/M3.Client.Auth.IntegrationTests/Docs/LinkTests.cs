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
            string target = parts[0].Length == 0 ? path : Path.GetRelativePath(MarkdownPage.Root, Path.Combine(MarkdownPage.Root, Path.GetDirectoryName(path)!, parts[0]));
            string full = Path.Combine(MarkdownPage.Root, target);
            Assert.That(File.Exists(full) || Directory.Exists(full), Is.True, $"{path} links to {link}");
            if (parts.Length > 1)
                Assert.That(MarkdownPage.Open(target).Anchors, Does.Contain(parts[1]), $"{path} links to {link}");
        }
    }

    [Test]
    public void The_map_names_every_page_of_docs()
    {
        MarkdownPage map = MarkdownPage.Open("docs/README.md");

        Assert.That(map.Links.Select(link => Path.GetFullPath(link, Path.Combine(MarkdownPage.Root, "docs"))),
            Is.SupersetOf(MarkdownPage.Docs().Where(page => page.Path != map.Path && !page.Path.StartsWith("docs/decisions/", StringComparison.Ordinal))
                .Select(page => Path.Combine(MarkdownPage.Root, page.Path))));
    }

    private static IEnumerable<string> Pages() => MarkdownPage.All().Select(page => page.Path);
}
