using System.Text.Json;

namespace M3.Client.Auth.Mutation;

/// <summary>One change of the library's code, as Stryker made it and wrote it into its report.</summary>
internal sealed record Mutant(int Id, string Room, string Place, string Change)
{
    /// <summary>The mutants that compiled, of the rooms asked for.</summary>
    public static List<Mutant> ReadReport(string path, IReadOnlyCollection<string> rooms)
    {
        using JsonDocument report = JsonDocument.Parse(File.ReadAllText(path));
        List<Mutant> mutants = [];
        foreach (JsonProperty file in report.RootElement.GetProperty("files").EnumerateObject())
        {
            string[] parts = file.Name.Split('/', '\\');
            // What stands beside the rooms is the handler and its helpers; this process's permits are the budget's other half.
            string room = parts[^2] switch
            {
                "M3.Client.Auth" => "Handler",
                "Sharing" => "Budget",
                _ => parts[^2],
            };
            if (!rooms.Contains(room))
                continue;

            string[] source = file.Value.GetProperty("source").GetString()!.Split('\n');
            foreach (JsonElement mutant in file.Value.GetProperty("mutants").EnumerateArray())
            {
                if (mutant.GetProperty("status").GetString() is "Ignored" or "CompileError")
                    continue;
                JsonElement location = mutant.GetProperty("location");
                int line = location.GetProperty("start").GetProperty("line").GetInt32();
                int last = location.GetProperty("end").GetProperty("line").GetInt32();
                string original = OneLine(string.Join(' ', source[(line - 1)..last]));
                mutants.Add(new Mutant(int.Parse(mutant.GetProperty("id").GetString()!), room, $"{parts[^1]}:{line}",
                    $"{mutant.GetProperty("mutatorName").GetString()}: {original}  =>  {OneLine(mutant.GetProperty("replacement").GetString()!)}"));
            }
        }

        return mutants;
    }

    private static string OneLine(string code)
    {
        string line = string.Join(' ', code.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return line.Length > 140 ? line[..140] + "..." : line;
    }
}
