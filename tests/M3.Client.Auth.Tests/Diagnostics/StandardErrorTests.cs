using System.Net;
using System.Text;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Diagnostics;

/// <summary>Standard error belongs to the whole process: nothing else runs meanwhile.</summary>
[NonParallelizable]
public sealed class StandardErrorTests
{
    [Test]
    public async Task Standard_error_that_cannot_be_written_fails_no_call()
    {
        TextWriter before = Console.Error;
        using var fixture = new ClientFixture(options => options.Debug = true);
        using HttpClient client = M3HttpClient.Create(ClientFixture.Address, fixture.Options(), fixture.Server);
        using var full = new FullDisk();
        Console.SetError(full);
        try
        {
            using HttpResponseMessage response = await client.GetAsync("").WaitAsync(KeyCacheFixture.Patience);

            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
            Assert.That(full.Writes, Is.GreaterThan(0));
        }
        finally
        {
            Console.SetError(before);
        }
    }

    private sealed class FullDisk : TextWriter
    {
        public int Writes { get; private set; }

        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value) => throw Full();

        public override void WriteLine(string? value) => throw Full();

        private IOException Full()
        {
            Writes++;
            return new IOException("No space left on device");
        }
    }
}
