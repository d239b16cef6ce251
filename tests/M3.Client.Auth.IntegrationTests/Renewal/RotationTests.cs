using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;

namespace M3.Client.Auth.IntegrationTests.Renewal;

/// <summary>The token is replaced where it is, while 64 callers go on.</summary>
public sealed class RotationTests
{
    private const int Callers = 64;
    private const int Rotations = 3;

    private string _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("Rotation-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public Task The_file_replaced_by_a_rename()
    {
        string path = Path.Combine(_folder, "token");
        return RotateAsync("the file replaced", () => TokenSources.FromFile(path), token => Replace(path, token));
    }

    [Test]
    public Task The_variable_set()
    {
        const string name = "ROTATION_TESTS_TOKEN";
        return RotateAsync("the variable set", () => TokenSources.FromEnvironment(name), token => Environment.SetEnvironmentVariable(name, token));
    }

    [Test]
    public Task The_configuration_reloaded()
    {
        string path = Path.Combine(_folder, "settings.json");
        IConfigurationRoot configuration = new ConfigurationBuilder().AddJsonFile(path, optional: true).Build();
        return RotateAsync("the configuration reloaded", () => TokenSources.FromConfiguration(configuration), token =>
        {
            Replace(path, JsonSerializer.Serialize(new Dictionary<string, string> { ["M3_OAUTH2_TOKEN"] = token }));
            configuration.Reload();
        });
    }

    private static async Task RotateAsync(string what, Func<ITokenSource> source, Action<string> set)
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        Turn turn = new(issuer.CreateToken());
        long arrived = 0, refused = 0;
        await using RecordingServer m3 = await RecordingServer.StartAsync(context =>
        {
            Interlocked.Increment(ref arrived);
            Turn now = Volatile.Read(ref turn);
            string? header = context.Request.Headers.Authorization;
            if (header == $"Bearer {now.Token}")
            {
                now.Arrive(context.Request.Headers["Caller"].ToString());
            }
            else if (header != $"Bearer {now.Before}")
            {
                Interlocked.Increment(ref refused);
                context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            }

            return Task.CompletedTask;
        });

        set(turn.Token);
        M3AuthOptions options = issuer.OptionsWith(source());
        options.RateLimitEnabled = false;
        using HttpClient http = M3HttpClient.Create(m3.Address, options);
        using var stop = new CancellationTokenSource();
        int failed = 0, answered = 0;
        Task[] callers = [.. Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    using HttpResponseMessage answer = await http.PostAsync(m3.Address, new StringContent("{}") { Headers = { { "Caller", $"{caller}" } } });
                    answer.EnsureSuccessStatusCode();
                    Interlocked.Increment(ref answered);
                }
                catch (Exception e)
                {
                    Interlocked.Increment(ref failed);
                    TestContext.Error.WriteLine(e.Message);
                    return;
                }
            }
        }))];

        List<TimeSpan> after = [];
        await turn.First.WaitAsync(Patience);
        for (int i = 0; i < Rotations; i++)
        {
            var next = new Turn(issuer.CreateToken(), turn.Token);
            Volatile.Write(ref turn, next);
            long start = Stopwatch.GetTimestamp();
            set(next.Token);
            after.Add(Stopwatch.GetElapsedTime(start, await next.First.WaitAsync(Patience)));
            // Everybody takes it up before it is replaced in its turn.
            await next.Everybody.WaitAsync(Patience);
        }

        await stop.CancelAsync();
        await Task.WhenAll(callers).WaitAsync(Patience);

        TestContext.Out.WriteLine($"{what}: {Callers} callers, {answered} calls answered, {failed} failed; the new token was used after {string.Join(", ", after.Select(time => $"{time.TotalMilliseconds:0} ms"))}");
        Assert.That((failed, refused), Is.EqualTo((0, 0L)));
        Assert.That(answered, Is.EqualTo(arrived), "none was repeated");
    }

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static void Replace(string path, string text)
    {
        string next = path + ".next";
        File.WriteAllText(next, text);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(next, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.Move(next, path, overwrite: true);
    }

    /// <summary>A token's time, from when it is set.</summary>
    private sealed class Turn(string token, string? before = null)
    {
        private readonly TaskCompletionSource<long> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _everybody = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ConcurrentDictionary<string, bool> _callers = new();

        public string Token { get; } = token;

        /// <summary>Whoever had it already may still be on the way.</summary>
        public string? Before { get; } = before;

        /// <summary>When it arrived for the first time.</summary>
        public Task<long> First => _first.Task;

        /// <summary>Completes when every caller has sent it: then none of the tokens before is on the way any more.</summary>
        public Task Everybody => _everybody.Task;

        public void Arrive(string caller)
        {
            if (!_callers.TryAdd(caller, true))
                return;
            _first.TrySetResult(Stopwatch.GetTimestamp());
            if (_callers.Count == Callers)
                _everybody.TrySetResult();
        }
    }
}
