using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Performance;

/// <summary>A service runs for months: nothing may pile up, whatever passes through.</summary>
[NonParallelizable]
public sealed class MemoryTests
{
    private const int Tokens = 10_000;
    private const int CallsEach = 100;

    [Test]
    public async Task Memory_stays_flat_over_a_million_calls_with_ten_thousand_tokens_of_as_many_subjects()
    {
        using var fixture = new ClientFixture(options => options.JwksCacheTtl = TimeSpan.FromDays(365));
        using var handler = new M3AuthHandler(fixture.Options()) { InnerHandler = new ImmediateHandler() };
        using var invoker = new HttpMessageInvoker(handler);

        // The first tenth fills what is to be filled: pools, the JIT, the budgets' own bound.
        long start = 0;
        for (int i = 0; i < Tokens; i++)
        {
            if (i == Tokens / 10)
                start = GC.GetTotalMemory(forceFullCollection: true);

            string subject = $"subject-{i}";
            // Each in a window of its own, so that the budget of the one before is history.
            fixture.Clock.Advance(TimeSpan.FromMinutes(61));
            fixture.Token = fixture.NewToken(claims => claims["sub"] = subject, algorithm: "ES256");
            for (int call = 0; call < CallsEach; call++)
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
                await invoker.SendAsync(request, default);
            }
        }

        long end = GC.GetTotalMemory(forceFullCollection: true);
        await TestContext.Out.WriteLineAsync($"{Tokens * CallsEach:N0} calls, {Tokens:N0} tokens: {start / 1024:N0} KiB of managed memory after a tenth of them, {end / 1024:N0} KiB at the end");
        // A leak of one token each would be some 10 MiB.
        Assert.That(end - start, Is.LessThan(2 * 1024 * 1024));
    }
}
