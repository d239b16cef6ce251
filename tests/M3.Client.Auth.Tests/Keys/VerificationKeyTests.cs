using System.Security.Cryptography;

namespace M3.Client.Auth.Tests.Keys;

/// <summary>When the runtime cannot use a key, nothing is verified by it.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class VerificationKeyTests
{
    [Test]
    public void A_key_that_cannot_be_imported_verifies_nothing()
    {
        var key = new VerificationKey("odd", new RSAParameters { Modulus = [0], Exponent = [0] });

        Assert.That(key.Verify([1, 2, 3], new byte[256]), Is.False);
    }
}
