using System.Diagnostics;
using System.Globalization;

namespace M3.Client.Auth.Benchmarks;

/// <summary>
/// What must not get much dearer beside something done in the same run, however fast or noisy the machine: ratios, with bounds far
/// from what is measured, so that only a real loss breaks them. Run with <c>guard</c>.
/// </summary>
internal static class Guard
{
    private const int Rounds = 25;

    public static async Task<int> RunAsync()
    {
        var hot = new HotPath();
        await hot.SetUp();
        var validation = new Validation();
        await validation.SetUp();
        KeyLookup few = new() { Keys = 1 }, many = new() { Keys = 250 };
        few.SetUp();
        many.SetUp();

        bool[] held =
        [
            await HoldsAsync("a call, beside one that reads the variable", 0.5, 100_000, () => _ = hot.M3(), () => _ = hot.VariableEachTime()),
            await HoldsAsync("validation, beside RSA.VerifyData", 2, 2_000, () => _ = validation.Rsa(), () => _ = validation.RsaFloor()),
            await HoldsAsync("validation, beside ECDsa.VerifyData", 2, 2_000, () => _ = validation.Ec(), () => _ = validation.EcFloor()),
            await HoldsAsync("a key among 250, beside one among few", 3, 100_000, () => _ = many.Find(), () => _ = few.Find()),
        ];
        return Array.TrueForAll(held, isHeld => isHeld) ? 0 : 1;
    }

    private static async Task<bool> HoldsAsync(string what, double limit, int calls, Action ours, Action other)
    {
        List<(double Ours, double Other)> pairs = await Pairs.RunAsync(Rounds, () => RoundAsync(ours, calls), () => RoundAsync(other, calls));
        double ratio = Pairs.Median(pairs.Select(pair => pair.Ours / pair.Other));
        bool holds = ratio <= limit;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{what,-45} {Pairs.Median(pairs.Select(pair => pair.Ours)),8:0} ns beside {Pairs.Median(pairs.Select(pair => pair.Other)),8:0} ns: {ratio:0.00} (at most {limit:0.0}){(holds ? "" : "  TOO DEAR")}"));
        return holds;
    }

    private static Task<double> RoundAsync(Action action, int calls)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < calls; i++)
            action();
        return Task.FromResult(Stopwatch.GetElapsedTime(start).TotalNanoseconds / calls);
    }
}
