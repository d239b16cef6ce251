using System.Collections.Concurrent;
using M3.Client.Auth.IntegrationTests.Errors;
using Microsoft.Playwright;

namespace M3.Client.Auth.IntegrationTests.Browser;

/// <summary>The example service as a process of its own, and a browser that looks at its page.</summary>
internal sealed class ServicePage : IAsyncDisposable
{
    private readonly Example _service;
    private readonly ConcurrentQueue<string> _requested = new();
    private readonly ConcurrentQueue<Task<string>> _received = new();

    private ServicePage(Example service, Uri address, IPage page)
    {
        _service = service;
        Address = address;
        Page = page;
        page.Request += (_, request) => _requested.Enqueue(request.Url);
        page.Response += (_, response) => _received.Enqueue(response.TextAsync());
    }

    public IPage Page { get; }

    public Uri Address { get; }

    /// <summary>Starts the service, and opens its page.</summary>
    public static async Task<ServicePage> OpenAsync(IBrowser browser, params IEnumerable<KeyValuePair<string, string>> environment)
    {
        // What nobody reads must not fill its standard output.
        Example service = Example.Start("HttpClientFactory", [.. environment, new("Logging__LogLevel__Default", "Warning")], "--urls", "http://127.0.0.1:0");
        var page = new ServicePage(service, await ExampleTests.AddressOfAsync(service), await browser.NewPageAsync());
        await page.Page.GotoAsync(page.Address.AbsoluteUri);
        return page;
    }

    /// <summary>A part of the page, by its heading.</summary>
    public ILocator Part(string heading) => Page.GetByRole(AriaRole.Region, new() { Name = heading, Exact = true });

    public ILocator Button(string name) => Page.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });

    /// <summary>What stands behind a term, in a list of terms.</summary>
    public ILocator Definition(string part, string term) => Part(part).Locator($"dt:text-is(\"{term}\") + dd");

    /// <summary>Nobody but the service was asked, and the token is in nothing that it answered.</summary>
    public async Task AssertNothingLeftAsync(string token)
    {
        Assert.That(_requested, Has.Count.GreaterThan(4).And.All.StartsWith(Address.AbsoluteUri));
        string[] bodies = await Task.WhenAll(_received);
        Assert.That(bodies, Has.Some.Contains("\"health\""), "the bodies were read");
        // Not shown: a test's output is no place for it either.
        Assert.That(bodies.Any(body => body.Contains(token, StringComparison.Ordinal) || body.Contains("eyJ", StringComparison.Ordinal)), Is.False,
            "the token was sent to the browser");
    }

    /// <summary>Ctrl+C, with the page still open.</summary>
    public async Task<ExampleResult> StopServiceAsync()
    {
        _service.Interrupt();
        return await _service.FinishAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Page.CloseAsync();
        await _service.DisposeAsync();
    }
}
