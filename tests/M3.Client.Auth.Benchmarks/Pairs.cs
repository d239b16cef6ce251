namespace M3.Client.Auth.Benchmarks;

/// <summary>
/// Two ways of doing the same, in rounds that take turns, each going first every other time: the machine's moods fall on both alike,
/// and only what is measured side by side is compared.
/// </summary>
internal static class Pairs
{
    public static async Task<List<(T First, T Second)>> RunAsync<T>(int rounds, Func<Task<T>> first, Func<Task<T>> second)
    {
        await first();
        await second();
        List<(T, T)> pairs = [];
        for (int i = 0; i < rounds; i++)
        {
            if (i % 2 == 0)
            {
                T one = await first();
                pairs.Add((one, await second()));
            }
            else
            {
                T two = await second();
                pairs.Add((await first(), two));
            }
        }

        return pairs;
    }

    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
