using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace M3.Client.Auth.IntegrationTests.Challenges;

/// <summary>npm's official MCP SDK still says what was captured of it. Needs Node.js and <c>npm ci</c> in tests/challenges.</summary>
public sealed class TypeScriptSdkTests
{
    [Test]
    public async Task The_servers_words_are_those_that_were_captured()
    {
        string folder = Path.GetFullPath(Path.Combine(Folder(), "../../challenges"));
        if (!Directory.Exists(Path.Combine(folder, "node_modules")))
            Assert.Ignore("the official MCP SDK is not installed: run 'npm ci' in tests/challenges (Node.js 20 or later)");

        Process? process = null;
        try
        {
            process = Process.Start(new ProcessStartInfo("node", "capture.js") { WorkingDirectory = folder, RedirectStandardOutput = true });
        }
        catch (Win32Exception)
        {
            Assert.Ignore("Node.js is not on the path");
        }

        using (process)
        {
            string words = await process!.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();

            Assert.That(process.ExitCode, Is.Zero);
            string captured = await File.ReadAllTextAsync(Path.Combine(folder, "typescript.jsonl"));
            Assert.That(words.Split('\n'), Is.EqualTo(captured.Split('\n')));
        }
    }

    private static string Folder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
