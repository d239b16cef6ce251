namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>What the pages print in C# compiles as it stands.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SnippetTests
{
    [TestCaseSource(nameof(Blocks))]
    public void Every_C_sharp_block_compiles(string place)
    {
        CodeBlock block = Find(place);

        Assert.That(SnippetCompiler.Compile(block), Is.Not.Empty);
    }

    [Test]
    public void What_is_not_compiled_names_a_package_that_no_feed_of_ours_has() =>
        Assert.That(MarkdownPage.Docs().SelectMany(page => page.Blocks).Where(block => block.IsForeign).Select(block => block.Text),
            Is.All.Contains("Duende.AccessTokenManagement"));

    private static IEnumerable<string> Blocks() => MarkdownPage.Docs().SelectMany(page => page.Blocks)
        .Where(block => block.Language == "csharp" && !block.IsForeign).Select(block => block.ToString());

    private static CodeBlock Find(string place) => MarkdownPage.Open(place.Split(':')[0]).Blocks.Single(block => block.ToString() == place);
}
