using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Handler;

/// <summary><c>Send</c> does all that <c>SendAsync</c> does, and waits on no synchronization context.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SynchronousTests
{
    [Test]
    public void It_validates_and_attaches_the_token()
    {
        using var scene = new Scene();
        Send(scene);
        Send(scene);

        Assert.That(scene.Server.Arrivals, Has.Count.EqualTo(2).And.All.Property("Token").EqualTo(scene.Token));
        Assert.That(scene.Issuer.JwksRequests, Is.EqualTo(1));
    }

    [Test]
    public void It_throws_the_typed_error_itself_and_sends_nothing()
    {
        using var scene = new Scene();
        scene.Token = scene.NewToken(claims => claims["aud"] = "other");

        Assert.That(() => Send(scene), Throws.TypeOf<InvalidAudienceException>());
        Assert.That(scene.Server.Arrivals, Is.Empty);
    }

    [Test]
    public void It_keeps_the_budget()
    {
        using var scene = new Scene(options => options.RateLimitRequests = 1);
        Send(scene);

        Assert.That(() => Send(scene), Throws.TypeOf<RateLimitExceededException>().With.Property("RetryAfter").EqualTo(TimeSpan.FromHours(1)));
    }

    [Test]
    public void It_reads_M3s_refusal()
    {
        using var scene = new Scene();
        scene.Server.Answer = request => FakeM3.Refuse(request, """Bearer error="invalid_token", error_description="Invalid audience" """);

        Assert.That(() => Send(scene), Throws.TypeOf<InvalidAudienceException>());
    }

    [Test]
    public void It_does_not_need_the_callers_context()
    {
        using var scene = new Scene(options => options.TokenSource = TokenSources.From(async _ =>
        {
            await Task.Yield();
            return new FakeIssuer().Token(Scene.Noon);
        }));
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            SynchronizationContext.SetSynchronizationContext(new NobodyPumps());
            try
            {
                Send(scene);
            }
            catch (Exception e)
            {
                failure = e;
            }
        });

        thread.Start();

        Assert.That(thread.Join(TimeSpan.FromMinutes(1)), Is.True);
        Assert.That(failure, Is.Null);
        Assert.That(scene.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public void Its_wait_for_the_keys_can_be_cancelled()
    {
        using var scene = new Scene();
        using var cancellation = new CancellationTokenSource();
        scene.Issuer.AnswerJwks = async _ =>
        {
            await cancellation.CancelAsync();
            return await new TaskCompletionSource<HttpResponseMessage>().Task;
        };

        Assert.That(() => Send(scene, cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(scene.Server.Arrivals, Is.Empty);
    }

    private static void Send(Scene scene, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Scene.Address);
        scene.Client.Send(request, cancellationToken).Dispose();
    }

    private sealed class NobodyPumps : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state)
        {
        }

        public override void Send(SendOrPostCallback d, object? state)
        {
        }
    }
}
