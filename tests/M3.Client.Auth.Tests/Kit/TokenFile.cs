namespace M3.Client.Auth.Tests.Kit;

/// <summary>A token in a file, as a secret is mounted.</summary>
internal sealed class TokenFile : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("m3-client-auth").FullName;

    public TokenFile(string token)
    {
        First = token;
        Write(token);
    }

    public string First { get; }

    public string Path => System.IO.Path.Combine(_directory, "token");

    /// <summary>In place, for nobody else to read.</summary>
    public void Write(string text)
    {
        File.WriteAllText(Path, text);
        SetMode(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    /// <summary>By a rename, as careful writers do it.</summary>
    public void Replace(string text)
    {
        File.WriteAllText(Path + ".new", text);
        File.Move(Path + ".new", Path, overwrite: true);
    }

    public void Delete() => File.Delete(Path);

    public void SetMode(UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(Path, mode);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);
}
