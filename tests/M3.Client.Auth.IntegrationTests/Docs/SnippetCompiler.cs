using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>
/// Compiles what a page prints, to the letter: nullable on, warnings as errors, with the generator of System.Text.Json. A program is a file of
/// its own; other blocks are statements with the usings and the variables that docs/README.md names.
/// </summary>
internal static partial class SnippetCompiler
{
    // What the SDK adds to a program by itself (ImplicitUsings).
    private const string ImplicitUsings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    private static readonly string[] SnippetUsings =
        ["M3.Client.Auth", "Microsoft.Extensions.DependencyInjection", "ModelContextProtocol.Client", "ModelContextProtocol.Protocol"];

    // A program of one file begins with #: lines.
    private static readonly CSharpParseOptions Parsing = CSharpParseOptions.Default.WithFeatures([new("FileBasedProgram", "")]);

    // A snippet may have nothing to await, and a function that only its reader calls.
    private static readonly Dictionary<string, ReportDiagnostic> Suppressed = new()
    {
        ["CS1998"] = ReportDiagnostic.Suppress,
        ["CS8321"] = ReportDiagnostic.Suppress,
    };

    private static readonly Lazy<MetadataReference[]> References = new(() =>
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(path => MetadataReference.CreateFromFile(path)),
    ]);

    private static readonly Lazy<ISourceGenerator[]> Generators = new(FindGenerators);

    /// <summary>The assembly's image.</summary>
    public static byte[] Compile(CodeBlock block) => block.IsProgram ? CompileProgram(block) : CompileSnippet(block);

    /// <summary>Runs statements with these variables.</summary>
    public static Task RunAsync(CodeBlock block, IServiceCollection? services = null, M3AuthOptions? options = null, Uri? m3 = null)
    {
        Assembly assembly = new AssemblyLoadContext(block.ToString()).LoadFromStream(new MemoryStream(CompileSnippet(block)));
        MethodInfo method = assembly.GetType("Snippet", throwOnError: true)!.GetMethod("RunAsync")!;
        return (Task)method.Invoke(null, [services ?? new ServiceCollection(), options ?? new M3AuthOptions(), m3 ?? new Uri("http://localhost"), new ConfigurationBuilder().Build()])!;
    }

    private static byte[] CompileProgram(CodeBlock block) => Emit(block, block.Text, OutputKind.ConsoleApplication);

    private static byte[] CompileSnippet(CodeBlock block)
    {
        IEnumerable<string> own = UsingDirective().Matches(block.Text).Select(match => match.Value);
        string usings = string.Join('\n', [.. own, .. SnippetUsings.Select(name => $"using {name};")]);
        return Emit(block, $$"""
            {{usings}}
            public static class Snippet
            {
                public static async Task RunAsync(IServiceCollection services, M3AuthOptions options, Uri m3, Microsoft.Extensions.Configuration.IConfiguration configuration)
                {
            {{UsingDirective().Replace(block.Text, "")}}
                }
            }
            """, OutputKind.DynamicallyLinkedLibrary);
    }

    private static byte[] Emit(CodeBlock block, string text, OutputKind kind)
    {
        CSharpCompilationOptions options = new CSharpCompilationOptions(kind, nullableContextOptions: NullableContextOptions.Enable)
            .WithGeneralDiagnosticOption(ReportDiagnostic.Error).WithSpecificDiagnosticOptions(Suppressed);
        Compilation compilation = CSharpCompilation.Create("Printed", [Parse(ImplicitUsings), Parse(text)], References.Value, options);
        CSharpGeneratorDriver.Create(Generators.Value, parseOptions: Parsing).RunGeneratorsAndUpdateCompilation(compilation, out compilation, out _);

        using var image = new MemoryStream();
        var result = compilation.Emit(image);
        IEnumerable<Diagnostic> errors = result.Diagnostics.Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error);
        Assert.That(errors, Is.Empty, $"{block} does not compile:\n{text}");
        return image.ToArray();
    }

    private static SyntaxTree Parse(string text) => CSharpSyntaxTree.ParseText(SourceText.From(text, System.Text.Encoding.UTF8), Parsing);

    // They lie beside the reference assemblies that the SDK compiles against.
    private static ISourceGenerator[] FindGenerators()
    {
        string dotnet = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../.."));
        string pack = Directory.GetDirectories(Path.Combine(dotnet, "packs/Microsoft.NETCore.App.Ref"), "10.*").Single();
        var reference = new AnalyzerFileReference(Path.Combine(pack, "analyzers/dotnet/cs/System.Text.Json.SourceGeneration.dll"), new FromFile());
        return [.. reference.GetGenerators(LanguageNames.CSharp)];
    }

    [GeneratedRegex(@"^using [\w.]+;\n", RegexOptions.Multiline)]
    private static partial Regex UsingDirective();

    private sealed class FromFile : IAnalyzerAssemblyLoader
    {
        public void AddDependencyLocation(string fullPath)
        {
        }

        public Assembly LoadFromPath(string fullPath) => AssemblyLoadContext.Default.LoadFromAssemblyPath(fullPath);
    }
}
