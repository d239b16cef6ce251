using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace M3.Client.Auth.Tests.Errors;

/// <summary>What servers of the field really sent, as tests/challenges captured it: each line's error, description and metadata survive.</summary>
public sealed class CapturedChallengeTests
{
    private static readonly JsonSerializerOptions CamelCase = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter<M3AuthError>() } };

    public static IEnumerable<TestCaseData> Captured() => new[] { "typescript.jsonl", "python.jsonl" }
        .SelectMany(file => File.ReadLines(Path.Combine(Folder(), "../../challenges", file)))
        .Select(line => JsonSerializer.Deserialize<Capture>(line, CamelCase)!)
        .Select(capture => new TestCaseData(capture).SetArgDisplayNames(capture.From, capture.Case));

    [Test]
    public void The_captures_are_there() => Assert.That(Captured().Count(), Is.GreaterThanOrEqualTo(80));

    [TestCaseSource(nameof(Captured))]
    public void A_captured_challenge_is_its_typed_error_and_loses_nothing(object captured)
    {
        var capture = (Capture)captured;

        foreach (bool isRewritten in (bool[])[false, true])
        {
            using var response = new HttpResponseMessage(capture.Status);
            response.Headers.TryAddWithoutValidation("WWW-Authenticate", capture.Challenge);
            // Whoever looks at them makes .NET parse the lines, and rewrite those that it understands.
            if (isRewritten)
                _ = response.Headers.WwwAuthenticate.Count;

            M3AuthException? error = response.GetM3AuthError();

            using (Assert.EnterMultipleScope())
            {
                Assert.That(error?.Error, Is.EqualTo(capture.Error));
                Assert.That(error?.Challenge?.ErrorDescription, Is.EqualTo(capture.Description));
                Assert.That(error?.Message, Does.Contain(capture.Description));
                Assert.That(error?.Challenge?.ResourceMetadata,
                    capture.Challenge.Contains("resource_metadata", StringComparison.Ordinal) ? Is.EqualTo("https://m3.example/.well-known/oauth-protected-resource/sse") : Is.Null);
                Assert.That(error?.Challenge?.Scopes ?? [], capture.Challenge.Contains("scope=", StringComparison.Ordinal) ? Is.EqualTo(["read:mimic-data"]) : Is.Empty);
            }
        }
    }

    // M3 puts PyJWT's words behind its own.
    [TestCaseSource(nameof(Captured))]
    public void The_same_words_in_a_tools_text_are_the_same_error(object captured)
    {
        var capture = (Capture)captured;
        if (!capture.From.StartsWith("PyJWT", StringComparison.Ordinal))
            Assert.Pass("M3 says nothing of the kind");

        Assert.That(M3AuthException.TryParse($"Error: Invalid token: {capture.Description}", out M3AuthException? error));
        Assert.That(error!.Error, Is.EqualTo(capture.Error));
    }

    private static string Folder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;

    private sealed record Capture(string From, string Case, M3AuthError Error, HttpStatusCode Status, string Description, string Challenge);
}
