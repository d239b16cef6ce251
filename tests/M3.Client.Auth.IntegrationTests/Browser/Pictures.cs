using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace M3.Client.Auth.IntegrationTests.Browser;

/// <summary>What a page looks like, for whoever looks at the tests' output.</summary>
internal static class Pictures
{
    /// <summary>Keeps pictures of it: narrow and wide, light and dark. In none does it scroll sideways, or shut somebody out.</summary>
    public static async Task KeepPicturesAsync(this IPage page, string state)
    {
        string folder = Path.Combine(TestContext.CurrentContext.WorkDirectory, "screenshots");
        foreach (int width in (int[])[400, 1400])
        {
            await page.SetViewportSizeAsync(width, 900);
            foreach (ColorScheme scheme in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
            {
                await page.EmulateMediaAsync(new() { ColorScheme = scheme });
                string path = Path.Combine(folder, $"{state}-{width}-{scheme}.png".ToLowerInvariant());
                await page.ScreenshotAsync(new() { FullPage = true, Path = path });
                TestContext.AddTestAttachment(path);

                Assert.That(await page.EvaluateAsync<int>("document.documentElement.scrollWidth"), Is.LessThanOrEqualTo(width), $"scrolls sideways: {path}");
                var violations = (await page.RunAxe()).Violations;
                Assert.That(violations.Select(violation => $"{violation.Help}: {string.Join(", ", violation.Nodes.Select(node => node.Html))}"), Is.Empty, path);
            }
        }
    }
}
