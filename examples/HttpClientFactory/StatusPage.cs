using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Extensions.FileProviders;

namespace HttpClientFactory;

/// <summary>The page at <c>/</c>. Its files are inside the assembly, so that they are there wherever the service is started from.</summary>
internal static class StatusPage
{
    public static void UseStatusPage(this IApplicationBuilder app)
    {
        var files = new FileServerOptions { FileProvider = new EmbeddedFileProvider(typeof(StatusPage).Assembly, "HttpClientFactory.Page") };
        files.StaticFileOptions.OnPrepareResponse = Protect;
        app.UseFileServer(files);
    }

    // The page asks nobody but this service, and runs nothing that is not from here.
    private static void Protect(StaticFileResponseContext response)
    {
        IHeaderDictionary headers = response.Context.Response.Headers;
        headers.ContentSecurityPolicy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.CacheControl = "no-cache";
    }
}
