using System.Diagnostics;
using System.Runtime.Versioning;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>One at a time renews a sign-in, in this process or another.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SignInLockTests
{
    [Test]
    public async Task A_second_holder_waits_for_the_first()
    {
        using var place = new SignInPlace();
        IDisposable first = await place.Store.LockAsync(SignInPlace.NewSignIn(), CancellationToken.None);

        Task<IDisposable> second = new SignInStore(place.Path).LockAsync(SignInPlace.NewSignIn(), CancellationToken.None);
        await Task.Yield();
        Assert.That(second.IsCompleted, Is.False);
        first.Dispose();

        (await second.WaitAsync(KeyCacheFixture.Patience)).Dispose();
    }

    [Test]
    public async Task Sign_ins_are_locked_each_by_itself()
    {
        using var place = new SignInPlace();
        using IDisposable one = await place.Store.LockAsync(SignInPlace.NewSignIn(), CancellationToken.None);

        using IDisposable other = await place.Store.LockAsync(SignInPlace.NewSignIn() with { ClientId = "other" }, CancellationToken.None).WaitAsync(KeyCacheFixture.Patience);
    }

    [Test]
    public async Task Whoever_waits_may_leave()
    {
        using var place = new SignInPlace();
        using IDisposable first = await place.Store.LockAsync(SignInPlace.NewSignIn(), CancellationToken.None);
        using var cancel = new CancellationTokenSource();

        // Nobody advances this clock: the wait ends by the cancellation alone.
        Task waiting = new SignInStore(place.Path, new FakeTimeProvider()).LockAsync(SignInPlace.NewSignIn(), cancel.Token);
        await cancel.CancelAsync();

        Assert.That(async () => await waiting.WaitAsync(KeyCacheFixture.Patience), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task Never_two_hold_it()
    {
        using var place = new SignInPlace();
        int holders = 0;
        int most = 0;

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            var store = new SignInStore(place.Path);
            for (int i = 0; i < 10; i++)
            {
                using IDisposable held = await store.LockAsync(SignInPlace.NewSignIn(), CancellationToken.None);
                most = Math.Max(most, Interlocked.Increment(ref holders));
                await Task.Yield();
                Interlocked.Decrement(ref holders);
            }
        })));

        Assert.That(most, Is.EqualTo(1));
    }

    [Test]
    [SupportedOSPlatform("linux")]
    public async Task It_ends_with_a_holder_that_was_killed()
    {
        using var place = new SignInPlace();
        SignIn signIn = SignInPlace.NewSignIn();
        (await place.Store.LockAsync(signIn, CancellationToken.None)).Dispose();
        string file = Directory.GetFiles(place.Path).Single();
        using var holder = Process.Start(new ProcessStartInfo("flock", ["--exclusive", "--no-fork", file, "sh", "-c", "echo held; exec sleep 600"]) { RedirectStandardOutput = true })!;
        Assert.That(await holder.StandardOutput.ReadLineAsync(), Is.EqualTo("held"));

        Task<IDisposable> waiting = place.Store.LockAsync(signIn, CancellationToken.None);
        Assert.That(waiting.IsCompleted, Is.False);
        holder.Kill();

        (await waiting.WaitAsync(KeyCacheFixture.Patience)).Dispose();
    }

    [Test]
    [UnsupportedOSPlatform("windows")]
    public async Task A_directory_that_cannot_be_made_says_so()
    {
        using var place = new SignInPlace();
        await File.WriteAllTextAsync(place.Path, "a file in its place");

        Assert.That(() => place.Store.LockAsync(SignInPlace.NewSignIn(), CancellationToken.None), Throws.TypeOf<SignInStoreException>().With.Message.Contains("cannot be made"));
    }
}
