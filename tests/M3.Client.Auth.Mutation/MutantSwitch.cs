using System.Reflection;

namespace M3.Client.Auth.Mutation;

/// <summary>Stryker's switch inside the mutated library: which mutant is on, and which were passed by.</summary>
internal static class MutantSwitch
{
    private static readonly Type Control = Assembly.Load("M3.Client.Auth").GetTypes().SingleOrDefault(type => type.Name == "MutantControl")
        ?? throw new InvalidOperationException("M3.Client.Auth.dll beside this program is not the mutated one: start tests/mutation.sh.");

    private static readonly FieldInfo ActiveMutant = Control.GetField("ActiveMutant")!;
    private static readonly FieldInfo CaptureCoverage = Control.GetField("CaptureCoverage")!;
    private static readonly MethodInfo GetCoverageData = Control.GetMethod("GetCoverageData")!;

    public static void Activate(int id) => ActiveMutant.SetValue(null, id);

    /// <summary>Begins to note which mutants the running code passes by.</summary>
    public static void NoteMutants()
    {
        Activate(-1);
        // Stryker's own runner is told of the notes by a thread that empties them: here there is none to tell.
        Control.GetField("_epochPollerStarted", BindingFlags.NonPublic | BindingFlags.Static)?.SetValue(null, true);
        CaptureCoverage.SetValue(null, true);
    }

    /// <summary>Those passed by since the last call.</summary>
    public static IEnumerable<int> TakeNoted() => ((IEnumerable<int>[])GetCoverageData.Invoke(null, null)!).SelectMany(ids => ids);
}
