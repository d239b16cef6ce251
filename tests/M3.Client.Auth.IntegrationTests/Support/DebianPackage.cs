namespace M3.Client.Auth.IntegrationTests.Support;

/// <summary>A program of another package that tests want: found on the PATH, or else installed, as root on Debian, once and one after the other.</summary>
internal static class DebianPackage
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private static readonly SemaphoreSlim Turn = new(1, 1);
    private static readonly HashSet<string> Tried = new(StringComparer.Ordinal);

    /// <summary>The program's path; null: it is not here, and cannot be brought here.</summary>
    /// <param name="package">The package that has it.</param>
    /// <param name="names">What it may be called.</param>
    public static async Task<string?> FindAsync(string package, params string[] names)
    {
        if (Find(names) is { } found)
            return found;
        if (!Environment.IsPrivilegedProcess || Find("apt-get") is null)
            return null;
        await Turn.WaitAsync();
        try
        {
            if (Find(names) is null && Tried.Add(package) && !await RunAsync(["install", "-y", "-qq", package]))
            {
                // On a machine that is new its lists are.
                await RunAsync(["update", "-qq"]);
                await RunAsync(["install", "-y", "-qq", package]);
            }
        }
        finally
        {
            Turn.Release();
        }

        return Find(names);
    }

    private static string? Find(params string[] names) => names.SelectMany(name => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, name))).FirstOrDefault(File.Exists);

    private static async Task<bool> RunAsync(string[] arguments)
    {
        await using Example install = Example.StartProgram("apt-get", arguments, [new("DEBIAN_FRONTEND", "noninteractive")]);
        ExampleResult result = await install.FinishAsync(Patience);
        if (result.ExitCode != 0)
            TestContext.Progress.WriteLine($"apt-get {string.Join(' ', arguments)}: {result.Error}");
        return result.ExitCode == 0;
    }
}
