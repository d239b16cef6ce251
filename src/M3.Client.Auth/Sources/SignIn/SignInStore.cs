using System.Security.Cryptography;
using System.Text;

namespace M3.Client.Auth;

/// <summary>
/// The sign-ins that are kept for this user, one file each, by issuer, client and audience. Nobody else can read them: the directory has mode
/// 0700 and each file 0600 from the first instant on, and whatever is found to be more open is refused; on Windows the tokens are encrypted
/// for the user (DPAPI). The directory may be a symbolic link, and what it leads to is judged; a file may not, since replacing it would
/// replace the link.
/// </summary>
internal sealed class SignInStore
{
    /// <summary>The environment variable that names the directory.</summary>
    public const string DirectoryVariable = "M3_SIGN_IN_DIRECTORY";

    private const string FileSuffix = ".json";
    private const string LockSuffix = ".lock";
    private const string UnfinishedSuffix = ".tmp";

    // Two access tokens' worth and more: what is longer was not written here.
    private const int MaxBytes = 512 * 1024;

    // What a writer that was killed left behind. Nobody writes for so long.
    private static readonly TimeSpan UnfinishedFor = TimeSpan.FromMinutes(1);

    private readonly TimeProvider _timeProvider;
    private bool _locks;

    /// <param name="directory">Where the files are; null: <see cref="DefaultDirectory"/>.</param>
    /// <param name="timeProvider">For the waits; null: the system's.</param>
    public SignInStore(string? directory = null, TimeProvider? timeProvider = null)
    {
        Directory = Path.GetFullPath(directory ?? DefaultDirectory);
        _timeProvider = timeProvider ?? TimeProvider.System;
    }

    /// <summary>
    /// <c>M3_SIGN_IN_DIRECTORY</c>; else on Windows <c>%LOCALAPPDATA%\m3-client\sign-ins</c>, and elsewhere <c>m3-client/sign-ins</c> in
    /// <c>XDG_CONFIG_HOME</c> (where it is absolute, XDG Base Directory Specification) or <c>~/.config</c>.
    /// </summary>
    public static string DefaultDirectory
    {
        get
        {
            if (Environment.GetEnvironmentVariable(DirectoryVariable) is { } named && !string.IsNullOrWhiteSpace(named))
                return named;
            string? root = OperatingSystem.IsWindows()
                ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
                : Environment.GetEnvironmentVariable("XDG_CONFIG_HOME");
            if (!Path.IsPathFullyQualified(root ?? ""))
                root = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".config");
            return Path.Combine(root!, "m3-client", "sign-ins");
        }
    }

    public string Directory { get; }

    /// <summary>All of them, in no order.</summary>
    /// <param name="failures">Gets what is wrong with single files.</param>
    /// <exception cref="SignInStoreException">The directory can be read by others, or not by this user.</exception>
    public IReadOnlyList<SignIn> List(ICollection<SignInStoreException> failures)
    {
        List<SignIn> found = [];
        foreach (string path in Files())
        {
            try
            {
                if (Read(path) is { } signIn)
                    found.Add(signIn);
            }
            catch (SignInStoreException e)
            {
                failures.Add(e);
            }
        }

        return found;
    }

    /// <summary>The sign-in for an issuer and an audience; null: there is none.</summary>
    /// <param name="issuerUrl">The issuer.</param>
    /// <param name="audience">The audience.</param>
    /// <param name="clientId">The client; null: the newest sign-in of any.</param>
    /// <exception cref="SignInStoreException">The directory or the file can be read by others, or not by this user, or is damaged; what is wrong with the files of other sign-ins does not matter where one fits.</exception>
    public SignIn? Find(string issuerUrl, string audience, string? clientId)
    {
        if (clientId is not null)
            return PrivateFiles.CheckDirectory(Directory) && Read(PathOf(issuerUrl, clientId, audience)) is { } kept && IsOf(kept, clientId) ? kept : null;

        List<SignInStoreException> failures = [];
        SignIn? newest = List(failures).Where(found => IsOf(found, found.ClientId)).MaxBy(found => found.SignedInAt);
        return newest ?? (failures.Count == 0 ? null : throw failures[0]);

        bool IsOf(SignIn signIn, string client) => signIn.IssuerUrl == issuerUrl && signIn.Audience == audience && signIn.ClientId == client;
    }

    /// <summary>Keeps a sign-in, in place of an older one for the same issuer, client and audience: whole, or not at all.</summary>
    /// <exception cref="SignInStoreException">It could not be written, and the older one is as it was.</exception>
    public void Save(SignIn signIn)
    {
        ArgumentNullException.ThrowIfNull(signIn);
        PrivateFiles.EnsureDirectory(Directory);
        string path = PathOf(signIn);
        string unfinished = $"{path}.{Guid.NewGuid():n}{UnfinishedSuffix}";
        byte[] content = SignInFile.Write(signIn);
        try
        {
            using (FileStream file = PrivateFiles.Create(unfinished))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            PrivateFiles.Replace(unfinished, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            TryDelete(unfinished);
            throw new SignInStoreException($"The sign-in could not be kept: {Printable.Text(path)} could not be written ({e.GetType().Name}). Is the disk full, or the directory not yours?", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }

        DeleteUnfinished(path, olderThan: UnfinishedFor);
    }

    /// <summary>Forgets a sign-in.</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="SignInStoreException">It could not be removed.</exception>
    public bool Remove(SignIn signIn)
    {
        ArgumentNullException.ThrowIfNull(signIn);
        if (!PrivateFiles.CheckDirectory(Directory))
            return false;
        string path = PathOf(signIn);
        try
        {
            bool wasThere = File.Exists(path);
            File.Delete(path);
            DeleteUnfinished(path, olderThan: TimeSpan.Zero);
            return wasThere;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SignInStoreException($"{Printable.Text(path)} could not be deleted ({e.GetType().Name}): delete it yourself, it holds a sign-in.", e);
        }
    }

    /// <summary>
    /// Waits until nobody else holds this sign-in's lock, in this process or another; the lock ends with its holder, however that ends. Its file
    /// stays: deleting it would let two hold a lock each.
    /// </summary>
    /// <param name="signIn">Whose.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The lock; disposing it gives it back.</returns>
    /// <exception cref="SignInStoreException">The file system cannot lock, or the file cannot be opened.</exception>
    public async Task<IDisposable> LockAsync(SignIn signIn, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(signIn);
        PrivateFiles.EnsureDirectory(Directory);
        string path = PathOf(signIn) + LockSuffix;
        FileStream held = await FileLock.WaitAsync(path, _timeProvider, cancellationToken).ConfigureAwait(false);
        if (_locks)
            return held;
        if (!FileLock.IsFree(path))
        {
            _locks = true;
            return held;
        }

        await held.DisposeAsync().ConfigureAwait(false);
        throw new SignInStoreException($"The sign-in cannot be locked: not renewed here. The file system of {Printable.Text(Directory)}, or DOTNET_SYSTEM_IO_DISABLEFILELOCKING, "
            + $"lets two processes hold one lock. Set {DirectoryVariable} to a directory on a local disk and sign in again.");
    }

    private string[] Files()
    {
        if (!PrivateFiles.CheckDirectory(Directory))
            return [];
        try
        {
            return System.IO.Directory.GetFiles(Directory, "*" + FileSuffix);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SignInStoreException($"The directory of the sign-ins, {Printable.Text(Directory)}, cannot be read ({e.GetType().Name}).", e);
        }
    }

    // Null: it is not there, or not any more.
    private static SignIn? Read(string path)
    {
        try
        {
            using FileStream? file = PrivateFiles.TryOpen(path);
            if (file is null)
                return null;
            if (file.Length > MaxBytes)
                throw SignInFile.Damaged(path);
            byte[] content = new byte[file.Length];
            int length = file.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
            return SignInFile.Read(content.AsMemory(0, length), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SignInStoreException($"The sign-in in {Printable.Text(path)} cannot be read ({e.GetType().Name}).", e);
        }
    }

    private string PathOf(SignIn signIn) => PathOf(signIn.IssuerUrl, signIn.ClientId, signIn.Audience);

    private string PathOf(string issuerUrl, string clientId, string audience) =>
        Path.Combine(Directory, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{issuerUrl}\n{clientId}\n{audience}"))) + FileSuffix);

    // They hold tokens, too.
    private void DeleteUnfinished(string path, TimeSpan olderThan)
    {
        foreach (string unfinished in System.IO.Directory.EnumerateFiles(Directory, $"{Path.GetFileName(path)}.*{UnfinishedSuffix}"))
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(unfinished) >= olderThan)
                TryDelete(unfinished);
        }
    }

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is as private as the sign-in itself.
        }
    }
}
