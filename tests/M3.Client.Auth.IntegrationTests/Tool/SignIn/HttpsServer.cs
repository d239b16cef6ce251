using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary>
/// A server that is reached over https by a name in the net, without a net: a proxy that answers itself whatever it is to pass on, with a
/// certificate for that name. Whoever is started with <see cref="Environment"/> uses the one and trusts the other (on Linux).
/// </summary>
internal sealed class HttpsServer : IAsyncDisposable
{
    public const string Host = "m3.example.org";

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly string _trusted = Path.GetTempFileName();
    private readonly X509Certificate2 _certificate = CreateCertificate();
    private readonly Func<string, string?> _answer;
    private readonly Task _serving;

    /// <param name="answer">What is at a path; null: nothing.</param>
    public HttpsServer(Func<string, string?> answer)
    {
        _answer = answer;
        File.WriteAllText(_trusted, _certificate.ExportCertificatePem());
        _listener.Start();
        _serving = ServeAsync();
    }

    public Dictionary<string, string> Environment => new()
    {
        ["SSL_CERT_FILE"] = _trusted,
        ["https_proxy"] = $"http://{_listener.LocalEndpoint}",
        ["no_proxy"] = "",
    };

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _serving;
        _listener.Dispose();
        _stopping.Dispose();
        _certificate.Dispose();
        File.Delete(_trusted);
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                using TcpClient client = await _listener.AcceptTcpClientAsync(_stopping.Token);
                try
                {
                    await AnswerAsync(client.GetStream());
                }
                catch (IOException)
                {
                    // The client has left.
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    // One request on each connection is enough.
    private async Task AnswerAsync(NetworkStream stream)
    {
        Assert.That(await ReadHeadAsync(stream), Does.StartWith($"CONNECT {Host}:443 "));
        await stream.WriteAsync("HTTP/1.1 200 OK\r\n\r\n"u8.ToArray(), _stopping.Token);
        await using var secure = new SslStream(stream);
        await secure.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate }, _stopping.Token);
        string? text = _answer((await ReadHeadAsync(secure)).Split(' ')[1]);
        await secure.WriteAsync(Encoding.ASCII.GetBytes(
            $"HTTP/1.1 {(text is null ? "404 Not Found" : "200 OK")}\r\nConnection: close\r\nContent-Length: {text?.Length ?? 0}\r\n\r\n{text}"), _stopping.Token);
    }

    private async Task<string> ReadHeadAsync(Stream stream)
    {
        var head = new StringBuilder();
        byte[] one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            await stream.ReadExactlyAsync(one, _stopping.Token);
            head.Append((char)one[0]);
        }

        return head.ToString();
    }

    private static X509Certificate2 CreateCertificate()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={Host}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(Host);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }
}
