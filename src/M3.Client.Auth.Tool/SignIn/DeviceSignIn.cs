using QRCoder;

namespace M3.Client.Auth.Tool;

/// <summary>Signs a person in on whatever device has a browser (RFC 8628): shows where, and waits.</summary>
internal static class DeviceSignIn
{
    /// <param name="client">Who asks.</param>
    /// <param name="plan">For what.</param>
    /// <param name="showsPicture">Whether a QR code can be seen.</param>
    /// <param name="cancellationToken">Ends the wait; nothing is kept then.</param>
    /// <exception cref="M3AuthException">The person said no, or nothing in time, or the issuer refused.</exception>
    public static async Task<TokenAnswer> RunAsync(SignInClient client, SignInPlan plan, bool showsPicture, CancellationToken cancellationToken)
    {
        DeviceAuthorization authorization = await DeviceFlow.AuthorizeAsync(client, plan.Scopes, plan.Audience, plan.Resource, cancellationToken);
        if (plan.OnlyFor is not null && !Origin.Same(authorization.VerificationUri, new Uri(plan.IssuerUrl)))
            Console.Error.WriteLine($"Mind: the page is at {Origin.Describe(authorization.VerificationUri)}, not at the issuer's own address. Go on only if you know why.");
        Show(authorization, showsPicture);
        return await DeviceFlow.PollAsync(client, authorization, cancellationToken);
    }

    // On standard error: what the command puts out is its report.
    private static void Show(DeviceAuthorization authorization, bool showsPicture)
    {
        Console.Error.WriteLine("To sign in, open this address in any browser, here or on your telephone:");
        Console.Error.WriteLine();
        Console.Error.WriteLine($"    {Printable.Text((authorization.VerificationUriComplete ?? authorization.VerificationUri).AbsoluteUri, DeviceFlow.MaxAddressLength)}");
        Console.Error.WriteLine();
        if (showsPicture)
            Console.Error.WriteLine(Draw((authorization.VerificationUriComplete ?? authorization.VerificationUri).AbsoluteUri));
        Console.Error.WriteLine($"{(authorization.VerificationUriComplete is null ? "Type there" : "Allow it only if it shows")} the code  {authorization.UserCode}");
        Console.Error.WriteLine($"The code is valid until {authorization.ExpiresAt.ToLocalTime():t}. Waiting (Ctrl+C stops) ...");
    }

    private static string Draw(string address)
    {
        using QRCodeData code = QRCodeGenerator.GenerateQrCode(address, QRCodeGenerator.ECCLevel.L);
        return new AsciiQRCode(code).GetGraphicSmall();
    }
}
