namespace M3.Client.Auth.Tests.Kit;

/// <summary>A directory of sign-ins of its own, which is not made yet.</summary>
internal sealed class SignInPlace : IDisposable
{
    public SignInPlace(string? under = null)
    {
        Path = System.IO.Path.Combine(Root, under ?? "", "sign-ins");
        Store = new SignInStore(Path);
    }

    public string Root { get; } = Directory.CreateTempSubdirectory("m3-client-auth").FullName;

    public string Path { get; }

    public SignInStore Store { get; }

    /// <summary>The only sign-in's file.</summary>
    public string File => Directory.GetFiles(Path, "*.json").Single();

    public static SignIn NewSignIn() => new()
    {
        IssuerUrl = FakeIssuer.Url,
        ClientId = "m3-cli",
        Audience = ClientFixture.Audience,
        Scopes = ["read:mimic-data", "offline_access"],
        SignedInAt = ClientFixture.Noon,
        AccessToken = "kept-access-token",
        AccessTokenExpiresAt = ClientFixture.Noon.AddMinutes(30),
        RefreshToken = "kept-refresh-token",
    };

    public string MakeDirectory()
    {
        if (OperatingSystem.IsWindows())
            return Directory.CreateDirectory(Path).FullName;
        return Directory.CreateDirectory(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}

internal static class SignInStoreExtensions
{
    /// <summary>All of them, and none that is damaged.</summary>
    public static IReadOnlyList<SignIn> All(this SignInStore store)
    {
        List<SignInStoreException> failures = [];
        IReadOnlyList<SignIn> found = store.List(failures);
        return failures.Count == 0 ? found : throw failures[0];
    }
}
