using System.Net;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Handler;

/// <summary>A synchronous call stays on its thread down to the last handler, and an asynchronous one blocks nobody's.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class BothWaysTests
{
    [Test]
    public async Task The_inner_handler_is_called_as_the_client_was_also_for_the_retry_after_a_401([Values] bool isSynchronous, [Values] bool isCached)
    {
        using var fixture = new ClientFixture();
        var inner = new Ways(fixture.Server);
        using HttpClient client = M3HttpClient.Create(ClientFixture.Address, fixture.Options(), inner);
        if (isCached)
            (await client.GetAsync(ClientFixture.Address)).Dispose();
        inner.Taken.Clear();
        fixture.RefuseUntilRenewed();

        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        (isSynchronous ? client.Send(request) : await client.SendAsync(request)).Dispose();

        Assert.That(inner.Taken, Is.EqualTo(Enumerable.Repeat(isSynchronous ? "Send" : "SendAsync", 2)));
    }

    [Test]
    public async Task A_renewal_after_a_401_holds_up_no_caller_of_an_asynchronous_call()
    {
        var renewal = new TaskCompletionSource<string?>();
        using var fixture = new ClientFixture();
        using HttpClient client = M3HttpClient.Create(ClientFixture.Address, OptionsOf(fixture, renewal.Task), fixture.Server);
        (await client.GetAsync(ClientFixture.Address)).Dispose();
        fixture.RefuseUntilRenewed();

        Task<HttpResponseMessage> call = client.GetAsync(ClientFixture.Address);

        Assert.That(call.IsCompleted, Is.False);
        string newer = fixture.NewToken();
        renewal.SetResult(newer);
        using HttpResponseMessage response = await call.WaitAsync(KeyCacheFixture.Patience);
        Assert.That(fixture.Server.Arrivals[^1].Token, Is.EqualTo(newer));
    }

    [Test]
    public async Task A_synchronous_call_waits_for_a_renewal_with_a_bound()
    {
        using var fixture = new ClientFixture();
        using var provider = new M3TokenProvider(OptionsOf(fixture, new TaskCompletionSource<string?>().Task));
        using HttpMessageInvoker client = fixture.NewImpatientClient(provider);
        await provider.GetTokenAsync();
        fixture.Server.Answer = request => FakeM3.Refuse(request, "Bearer");
        using var call = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);

        Assert.That(() => client.Send(call, default), Throws.TypeOf<TokenRequestFailedException>());
    }

    [Test]
    public void A_synchronous_call_that_was_cancelled_before_sends_nothing()
    {
        using var fixture = new ClientFixture();
        using var client = new HttpMessageInvoker(new M3AuthHandler(fixture.Options()) { InnerHandler = fixture.Server });
        using var first = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        client.Send(first, default).Dispose();
        using var second = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);

        Assert.That(() => client.Send(second, new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    // A provider of the application's may come back to the caller's context or scheduler, which is busy waiting.
    [Test]
    public void A_foreign_provider_is_asked_on_another_thread_without_the_callers_context()
    {
        var provider = new Witness();
        using var server = new FakeM3();
        SynchronizationContext? whileSending = null;
        server.Answer = request =>
        {
            whileSending = SynchronizationContext.Current;
            return new HttpResponseMessage { RequestMessage = request };
        };
        using var client = new HttpMessageInvoker(new M3AuthHandler(provider, new M3AuthOptions()) { InnerHandler = server });
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        var context = new SynchronizationContext();
        SynchronizationContext? before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(context);
        try
        {
            client.Send(request, default).Dispose();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }

        Assert.That(provider.Thread, Is.Not.EqualTo(Environment.CurrentManagedThreadId));
        Assert.That((provider.Context, whileSending), Is.EqualTo(((SynchronizationContext?)null, context)), "the next handler has it again");
    }

    [Test]
    public void The_inner_handler_ends_with_the_handler()
    {
        using var server = new FakeM3();
        var inner = new Ways(server);

        new M3AuthHandler(new FixedTokenProvider(), new M3AuthOptions()) { InnerHandler = inner }.Dispose();

        Assert.That(inner.IsDisposed, Is.True);
    }

    [Test]
    public async Task With_answers_left_to_the_caller_one_that_is_no_refusal_is_the_callers([Values(HttpStatusCode.Forbidden, HttpStatusCode.TooManyRequests)] HttpStatusCode status)
    {
        using var fixture = new ClientFixture(options => options.ThrowOnRejection = false);
        fixture.Server.Answer = request => FakeM3.Refuse(request, null, status);

        using HttpResponseMessage response = await fixture.CallAsync();

        Assert.That(response.StatusCode, Is.EqualTo(status));
    }

    [Test]
    public async Task What_the_source_has_after_a_401_is_told_in_the_log_when_it_is_no_valid_token()
    {
        using var fixture = new ClientFixture(options => options.Debug = true);
        fixture.Server.Answer = request =>
        {
            fixture.Token = "junk";
            return FakeM3.Refuse(request, "Bearer");
        };

        await fixture.FailAsync<RejectedException>();

        Assert.That(fixture.Log.Lines.Where(line => line.Event.Name == "Refused").Select(line => line.Text),
            Has.Exactly(1).StartsWith("Request refused: InvalidTokenFormat").And.Exactly(1).StartsWith("Request refused: Rejected"));
    }

    private static M3AuthOptions OptionsOf(ClientFixture fixture, Task<string?> renewal)
    {
        string? first = fixture.Token;
        M3AuthOptions options = fixture.Options();
        options.TokenSource = TokenSources.From(_ =>
        {
            ValueTask<string?> answer = first is null ? new(renewal) : new(first);
            first = null;
            return answer;
        });
        return options;
    }

    private sealed class Ways(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        public List<string> Taken { get; } = [];

        public bool IsDisposed { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Taken.Add("SendAsync");
            return base.SendAsync(request, cancellationToken);
        }

        protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Taken.Add("Send");
            return base.Send(request, cancellationToken);
        }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }

    private sealed class Witness : IM3TokenProvider
    {
        public int Thread { get; private set; }

        public SynchronizationContext? Context { get; private set; }

        public ValueTask<M3AccessToken> GetTokenAsync(CancellationToken cancellationToken = default)
        {
            (Thread, Context) = (Environment.CurrentManagedThreadId, SynchronizationContext.Current);
            return new(new M3AccessToken("made.up.token"));
        }

        public ValueTask<M3AccessToken> RenewTokenAsync(M3AccessToken rejected, CancellationToken cancellationToken = default) => new(rejected);
    }
}
