using System.Diagnostics;
using M3.Client.Auth.Mutation;

// Started by tests/mutation.sh: Program REPORT FOLDER ROOM...; it starts itself again as "coverage" and as workers.
if (args is ["coverage", var coverageFile])
{
    Coverage.Write(coverageFile);
    return 0;
}

if (args is ["worker", var found, var verdictFile, var list])
    return Worker.Run(found, verdictFile, File.ReadAllLines(list).Select(line => line.Split(' ')).Select(parts => (int.Parse(parts[0]), parts[1])));

(string report, string folder, string[] rooms) = (args[0], args[1], args[2..]);
List<Mutant> mutants = Mutant.ReadReport(report, rooms);
string coverage = Path.Combine(folder, "coverage.json");
var watch = Stopwatch.StartNew();
if (!File.Exists(coverage) && await StartAsync("coverage", coverage) != 0)
    return 1;
Console.WriteLine($"{mutants.Count} mutants; the tests' coverage took {watch.Elapsed.TotalSeconds:0} s");

watch.Restart();
int workers = Environment.ProcessorCount;
Dictionary<int, string>[] shares = await Task.WhenAll(Enumerable.Range(0, workers).Select(share =>
    MeetAsync(share, [.. mutants.Where((_, index) => index % workers == share)])));
Dictionary<int, string> verdicts = shares.SelectMany(share => share).ToDictionary();
Console.WriteLine($"the mutants took {watch.Elapsed.TotalSeconds:0} s");

bool enough = true;
foreach (IGrouping<string, Mutant> room in mutants.GroupBy(mutant => mutant.Room).OrderBy(room => room.Key))
{
    int killed = room.Count(mutant => verdicts[mutant.Id] is "Killed" or "Hung");
    enough &= killed * 10 >= room.Count() * 9;
    Console.WriteLine($"\n{room.Key}: {killed} of {room.Count()} killed, {100.0 * killed / room.Count():0.0} %");
    foreach (Mutant mutant in room.Where(mutant => verdicts[mutant.Id] is not ("Killed" or "Hung")))
        Console.WriteLine($"  {mutant.Id} {verdicts[mutant.Id].ToLowerInvariant()} {mutant.Place} {mutant.Change}");
}

return enough ? 0 : 1;

// A worker whose mutant hung or broke the process is followed by another one, for the rest.
async Task<Dictionary<int, string>> MeetAsync(int share, List<Mutant> all)
{
    (string list, string verdictFile) = (Path.Combine(folder, $"{share}.ids"), Path.Combine(folder, $"{share}.verdicts"));
    File.Delete(verdictFile);
    Dictionary<int, string> verdicts = [];
    while (all.FindAll(mutant => !verdicts.ContainsKey(mutant.Id)) is [_, ..] rest)
    {
        await File.WriteAllLinesAsync(list, rest.Select(mutant => $"{mutant.Id} {mutant.Room}"));
        await StartAsync("worker", coverage, verdictFile, list);
        foreach (string[] line in File.ReadLines(verdictFile).Select(line => line.Split(' ')))
            verdicts[int.Parse(line[0])] = line[1] == "Began" ? "Hung" : line[1];
    }

    return verdicts;
}

static async Task<int> StartAsync(params string[] arguments)
{
    using Process process = Process.Start(new ProcessStartInfo("dotnet", ["exec", Path.Combine(AppContext.BaseDirectory, "M3.Client.Auth.Mutation.dll"), .. arguments])
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true, // A mutant that recurses without end leaves megabytes of stack.
    })!;
    process.BeginErrorReadLine();
    while (await process.StandardOutput.ReadLineAsync() is { } line)
    {
        if (line.StartsWith("fails without", StringComparison.Ordinal))
            Console.WriteLine(line);
    }

    await process.WaitForExitAsync();
    return process.ExitCode;
}
