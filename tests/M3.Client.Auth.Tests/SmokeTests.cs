using Microsoft.Extensions.Options;

namespace M3.Client.Auth.Tests;

public sealed class SmokeTests
{
    [Test]
    public void A_missing_issuer_is_named() =>
        Assert.That(() => new M3TokenProvider(new M3AuthOptions()), Throws.TypeOf<OptionsValidationException>().With.Message.Contain("M3_OAUTH2_ISSUER_URL is required"));
}
