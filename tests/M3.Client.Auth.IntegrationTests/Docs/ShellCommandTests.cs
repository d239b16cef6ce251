using System.Diagnostics;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>
/// What the pages print for a shell: exports are settings that there are, requests for tokens are sent to a server that looks at them, files are
/// ones that the page shows, and whatever else there is stands in a list here.
/// </summary>
public sealed partial class ShellCommandTests
{
    // Commands of the SDK, which the packages' own tests run on the packed library; and of providers' tools, which are not here.
    private static readonly string[] Known =
    [
        "cd Pull",
        "dotnet new console --name Pull",
        "dotnet add package M3.Client.Auth",
        "dotnet add package ModelContextProtocol",
        "dotnet run",
        "dotnet publish -c Release -p:PublishAot=true",
        // The tool's own tests sign in by it.
        "m3-token login https://m3.example.org/sse --client-id YOUR_CLIENT",
        "m3-token login",
        "az login",
        "gcloud auth login",
    ];

    private static readonly string[] TokenCommands = ["$(az account get-access-token ", "$(gcloud auth print-identity-token "];

    [TestCaseSource(nameof(Commands))]
    public void Every_command_is_one_that_is_looked_after(string place, string command)
    {
        if (Export().Match(command) is { Success: true } export)
        {
            Assert.That(Settings(), Does.Contain(export.Groups[1].Value), place);
            if (export.Groups[2].Value.StartsWith('$'))
                Assert.That(TokenCommands.Any(export.Groups[2].Value.StartsWith), Is.True, place);
        }
        else if (FileCommand().Match(command) is { Success: true } file)
        {
            Assert.That(File.ReadAllText(Path.Combine(MarkdownPage.Root, place.Split(':')[0])), Does.Contain($"`{file.Groups[1].Value}`"), place);
        }
        // Those of the example are run by its page's own test, the others below.
        else if (!command.StartsWith(DataPullPageTests.Command, StringComparison.Ordinal) && !command.StartsWith("curl https://", StringComparison.Ordinal))
        {
            Assert.That(Known, Does.Contain(command), place);
        }
    }

    [TestCaseSource(nameof(Requests))]
    public async Task Every_request_for_a_token_is_a_form_with_what_its_grant_needs(string place, string command)
    {
        Assume.That(File.Exists("/usr/bin/curl"), "curl is not here");
        string path = "";
        Dictionary<string, string> form = [];
        await using RecordingServer server = await RecordingServer.StartAsync(async context =>
        {
            path = context.Request.Path;
            form = (await context.Request.ReadFormAsync()).ToDictionary(field => field.Key, field => field.Value.ToString());
            await context.Response.WriteAsync("{}");
        });
        string local = Origin().Replace(command, $"curl --silent --fail {server.Address.GetLeftPart(UriPartial.Authority)}");
        using Process process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", local]) { RedirectStandardOutput = true })!;
        await process.WaitForExitAsync();

        Assert.That(process.ExitCode, Is.Zero, place);
        Assert.That(path, Is.EqualTo(Origin().Match(command).Groups[1].Value), place);
        string[] needed = form.GetValueOrDefault("grant_type") switch
        {
            // RFC 8628, sections 3.1 and 3.4; RFC 6749, section 4.1.3.
            null => ["client_id", "scope"],
            "urn:ietf:params:oauth:grant-type:device_code" => ["grant_type", "device_code", "client_id"],
            "authorization_code" => ["grant_type", "code", "redirect_uri", "client_id"],
            { } other => throw new InvalidOperationException($"{place}: {other}"),
        };
        Assert.That(form.Keys, Is.SupersetOf(needed), place);
    }

    private static IEnumerable<TestCaseData> Requests() =>
        Commands().Where(command => ((string)command.Arguments[1]!).StartsWith("curl ", StringComparison.Ordinal));

    private static IEnumerable<TestCaseData> Commands() =>
        from page in MarkdownPage.Docs()
        from block in page.Blocks
        where block.Language == "sh"
        from command in block.Text.Replace("\\\n", "", StringComparison.Ordinal).Split('\n', StringSplitOptions.RemoveEmptyEntries)
        select new TestCaseData(block.ToString(), command);

    private static IEnumerable<string> Settings() =>
        MarkdownPage.Open("docs/configuration.md").Rows.Select(row => row[0].Trim('`')).Where(cell => cell.StartsWith("M3_OAUTH2_", StringComparison.Ordinal))
            .Concat(["M3_URL", "M3_OAUTH2_TOKEN"]);

    [GeneratedRegex(@"^export (\w+)=(.*)$")]
    private static partial Regex Export();

    [GeneratedRegex(@"^dotnet (?:run|fsi|publish) ([\w.]+\.(?:cs|fsx))$")]
    private static partial Regex FileCommand();

    [GeneratedRegex(@"curl https://[^/]+(?=(/\S*))")]
    private static partial Regex Origin();
}
