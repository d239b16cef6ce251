using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Time.Testing;
using ModelContextProtocol.Client;

namespace M3.Client.Auth.IntegrationTests.Renewal;

/// <summary>A pull that outlives its tokens, over MCP, with client credentials and eight callers.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class PullTests
{
    private const int Callers = 8;

    [Test]
    public async Task On_the_real_clock_with_tokens_of_ten_seconds()
    {
        // Longer by hand: dotnet test ... -- 'TestRunParameters.Parameter(name="pullSeconds", value="180")'
        TimeSpan length = TimeSpan.FromSeconds(double.Parse(TestContext.Parameters.Get("pullSeconds", "25"), CultureInfo.InvariantCulture));
        await using var pull = await Pull.StartAsync(TimeProvider.System, TimeSpan.FromSeconds(10));
        long start = Stopwatch.GetTimestamp();

        await Task.WhenAll(Enumerable.Range(0, Callers).Select(async _ =>
        {
            while (Stopwatch.GetElapsedTime(start) < length)
                await pull.CallAsync();
        }));

        pull.Report(Stopwatch.GetElapsedTime(start));
        Assert.That(pull.Source.AtOnce, Is.EqualTo(1));
        // Each serves for eight seconds or a little less.
        Assert.That(pull.Source.Fetched, Is.GreaterThanOrEqualTo((int)(length.TotalSeconds / 10)));
    }

    [Test]
    public async Task For_two_simulated_hours_with_tokens_of_five_minutes()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var pull = await Pull.StartAsync(clock, TimeSpan.FromMinutes(5));
        DateTimeOffset start = clock.GetUtcNow();

        for (; clock.GetUtcNow() < start.AddHours(2); clock.Advance(TimeSpan.FromSeconds(10)))
        {
            await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => pull.CallAsync()));
            // A request's timeout is on the same clock: it gets its answer before the time goes on.
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            while (pull.Source.IsAsked)
            {
                Assert.That(patience.IsCancellationRequested, Is.False, "a request for a token never ended");
                await Task.Yield();
            }
        }

        pull.Report(clock.GetUtcNow() - start);
        Assert.That(pull.Source.AtOnce, Is.EqualTo(1));
        Assert.That(pull.Source.Fetched, Is.InRange(24, 35));
    }

    private sealed class Pull : IAsyncDisposable
    {
        private readonly LocalM3Server _m3;
        private readonly HttpClient _http;
        private McpClient _mcp = null!;
        private int _calls;

        private Pull(LocalM3Server m3, TimeProvider clock)
        {
            _m3 = m3;
            Source = new CountingSource(TokenSources.ClientCredentials(m3.ClientId, m3.ClientSecret));
            M3AuthOptions options = m3.OptionsWith(Source);
            options.TimeProvider = clock;
            options.RateLimitEnabled = false;
            _http = M3HttpClient.Create(m3.Endpoint, options);
        }

        public CountingSource Source { get; }

        public static async Task<Pull> StartAsync(TimeProvider clock, TimeSpan tokenLifetime)
        {
            var pull = new Pull(await LocalM3Server.StartAsync(new() { TokenLifetime = tokenLifetime, TimeProvider = clock }), clock);
            pull._mcp = await Mcp.ConnectAsync(pull._http, pull._m3.Endpoint);
            return pull;
        }

        /// <summary>One page. M3 refuses a token that is over, and the call then fails.</summary>
        public async Task CallAsync()
        {
            int page = Interlocked.Increment(ref _calls) % 8;
            Assert.That(await _mcp.CallAsync("execute_mimic_query", ("sql_query", $"SELECT hadm_id FROM hosp_admissions ORDER BY hadm_id LIMIT 50 OFFSET {page * 50}")), Does.StartWith(" hadm_id"));
        }

        public void Report(TimeSpan length) => TestContext.Out.WriteLine(
            $"{_calls} calls of {Callers} callers within {length:hh\\:mm\\:ss}, none failed; {Source.Fetched} tokens fetched, at most {Source.AtOnce} at once");

        public async ValueTask DisposeAsync()
        {
            await _mcp.DisposeAsync();
            _http.Dispose();
            await _m3.DisposeAsync();
        }
    }

    private sealed class CountingSource(ITokenSource inner) : ITokenSource
    {
        private readonly Lock _gate = new();
        private int _asking;

        public bool IsAsked => Volatile.Read(ref _asking) > 0;

        public int AtOnce { get; private set; }

        public int Fetched { get; private set; }

        public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
        {
            lock (_gate)
                AtOnce = Math.Max(AtOnce, ++_asking);
            try
            {
                string? token = await inner.ReadAsync(context, cancellationToken);
                lock (_gate)
                    Fetched++;
                return token;
            }
            finally
            {
                lock (_gate)
                    _asking--;
            }
        }
    }
}
