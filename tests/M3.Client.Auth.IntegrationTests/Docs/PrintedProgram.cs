namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>A program as a page prints it, compiled and run as a process of its own.</summary>
internal static class PrintedProgram
{
    /// <summary>Runs it against this server, with this token.</summary>
    public static async Task<ExampleResult> RunAsync(CodeBlock block, LocalM3Server m3, string? token, params (string Name, string Value)[] settings)
    {
        string folder = Directory.CreateTempSubdirectory("m3-docs-").FullName;
        try
        {
            string program = Path.Combine(folder, "printed.dll");
            await File.WriteAllBytesAsync(program, SnippetCompiler.Compile(block));
            await File.WriteAllTextAsync(Path.Combine(folder, "printed.runtimeconfig.json"), RuntimeConfig(block));
            // Without a .deps.json whatever lies beside the program is found.
            foreach (string assembly in Directory.EnumerateFiles(AppContext.BaseDirectory, "*.dll"))
                File.CreateSymbolicLink(Path.Combine(folder, Path.GetFileName(assembly)), assembly);

            Dictionary<string, string> environment = new(m3.ClientEnvironment);
            if (token is not null)
                environment["M3_OAUTH2_TOKEN"] = token;
            foreach ((string name, string value) in settings)
                environment[name] = value;
            await using Example process = Example.StartDotnet(["exec", program], environment);
            return await process.FinishAsync();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // A program of one file is made for NativeAOT unless it says otherwise, also when it is run by dotnet run: without reflection for JSON.
    private static string RuntimeConfig(CodeBlock block)
    {
        bool isFile = block.Text.StartsWith("#:", StringComparison.Ordinal);
        string reflection = isFile && !block.Text.Contains("#:property PublishAot=false", StringComparison.Ordinal) ? "false" : "true";
        return $$"""
            {
              "runtimeOptions": {
                "frameworks": [
                  { "name": "Microsoft.NETCore.App", "version": "10.0.0" },
                  { "name": "Microsoft.AspNetCore.App", "version": "10.0.0" }
                ],
                "configProperties": {
                  "System.Text.Json.JsonSerializer.IsReflectionEnabledByDefault": {{reflection}},
                  "System.Runtime.CompilerServices.RuntimeFeature.IsDynamicCodeSupported": {{reflection}}
                }
              }
            }
            """;
    }
}
