using System.Text.Json;

namespace M3.Client.Auth.Mutation;

/// <summary>Which tests pass by which mutants, and how long each test takes: found once, kept in a file.</summary>
internal sealed record Coverage(List<CoveredTest> Tests, Dictionary<int, List<int>> TestsOf)
{
    private const int Most = 1000;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    public static void Write(string path)
    {
        var coverage = new Coverage([], []);
        List<string> failed = [];
        MutantSwitch.NoteMutants();
        var tests = new TestRun(stopsAtFailure: false);
        bool ended = tests.Run(tests.Names, Patience, (name, passed, time) =>
        {
            IEnumerable<int> noted = MutantSwitch.TakeNoted();
            if (!passed)
            {
                failed.Add(name);
                return;
            }

            foreach (int id in noted)
            {
                if (!coverage.TestsOf.TryGetValue(id, out List<int>? indexes))
                    coverage.TestsOf[id] = indexes = [];
                indexes.Add(coverage.Tests.Count);
            }

            coverage.Tests.Add(new CoveredTest(name, time.TotalSeconds));
        });
        if (!ended)
            throw new TimeoutException($"The tests do not end within {Patience}.");
        foreach (string name in failed)
            Console.WriteLine($"fails without any mutant, and is left out: {name}");
        File.WriteAllText(path, JsonSerializer.Serialize(coverage));
    }

    public static Coverage Read(string path) => JsonSerializer.Deserialize<Coverage>(File.ReadAllText(path))!;

    /// <summary>
    /// The tests that a mutant has to meet: its room's own and those that pass by it, at most 1000. First its room's, and of those the quickest,
    /// since most mutants are noticed at once.
    /// </summary>
    public IEnumerable<CoveredTest> Find(int mutant, string room)
    {
        string[] folders = [.. FoldersOf(room).Select(folder => $".Tests.{folder}.")];
        bool IsOfRoom(CoveredTest test) => folders.Any(folder => test.Name.Contains(folder, StringComparison.Ordinal));
        // What runs in the background when a test has ended is noted for another test or for none: so all of the room's own are tried.
        IEnumerable<CoveredTest> covering = TestsOf.TryGetValue(mutant, out List<int>? indexes) ? indexes.Select(index => Tests[index]) : [];
        return covering.Union(Tests.Where(IsOfRoom)).OrderByDescending(IsOfRoom).ThenBy(test => test.Seconds).Take(Most);
    }

    private static string[] FoldersOf(string room) => room switch
    {
        "Handler" => ["Handler", "Budget", "Sharing", "Registration", "Origins"],
        "Jwt" => ["Validation"],
        "Budget" => ["Budget", "Sharing"],
        "Tokens" => ["Tokens", "Sources", "Handler"],
        _ => [room],
    };
}

internal sealed record CoveredTest(string Name, double Seconds);
