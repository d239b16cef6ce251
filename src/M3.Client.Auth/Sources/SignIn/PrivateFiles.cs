using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace M3.Client.Auth;

/// <summary>Files and directories that are this user's alone, from the first instant on; what is found to be otherwise is refused.</summary>
internal static class PrivateFiles
{
    private const UnixFileMode FileMode600 = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode DirectoryMode700 = FileMode600 | UnixFileMode.UserExecute;
    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <returns>False: there is none.</returns>
    /// <exception cref="SignInStoreException">Others may use it.</exception>
    public static bool CheckDirectory(string path)
    {
        if (!Directory.Exists(path))
            return false;
        if (!OperatingSystem.IsWindows())
            Check(path, opened: null, "700");
        return true;
    }

    /// <exception cref="SignInStoreException">It cannot be made, or others may use the one that is there.</exception>
    public static void EnsureDirectory(string path)
    {
        try
        {
            Make(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SignInStoreException($"The directory {Printable.Text(path)} for the sign-ins cannot be made ({e.GetType().Name}). "
                + $"Make it yourself with mode 700, or set {SignInStore.DirectoryVariable} to another one.", e);
        }

        CheckDirectory(path);
    }

    /// <summary>A new file, to be written.</summary>
    public static FileStream Create(string path) => new(path, Options(FileMode.CreateNew, FileAccess.Write, FileShare.None));

    /// <summary>A file that nobody else can open so meanwhile; made where there is none.</summary>
    public static FileStream OpenExclusively(string path) => new(path, Options(FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));

    /// <summary>Opens a file to read, if there is one.</summary>
    /// <exception cref="SignInStoreException">Others may use it, or it is a link.</exception>
    public static FileStream? TryOpen(string path)
    {
        if (new FileInfo(path).LinkTarget is not null)
            throw new SignInStoreException($"{Printable.Text(path)} is a symbolic link, which the next renewal would replace. Put the file itself there; the directory may be a link.");
        FileStream file;
        try
        {
            // Whoever reads holds up nobody who replaces or deletes it.
            file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }

        try
        {
            // Of what is open: another may stand under that name by now.
            if (!OperatingSystem.IsWindows())
                Check(path, file.SafeFileHandle, "600");
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Puts a finished file in another's place.</summary>
    public static void Replace(string finished, string path)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                File.Move(finished, path, overwrite: true);
                return;
            }
            catch (Exception e) when (OperatingSystem.IsWindows() && attempt < 20 && e is IOException or UnauthorizedAccessException)
            {
                // On Windows nothing is replaced while somebody reads it, which takes a moment.
                Thread.Sleep(attempt);
            }
        }
    }

    // What is missing above it, too, for nobody else (XDG Base Directory Specification).
    private static void Make(string path)
    {
        if (Directory.Exists(path))
            return;
        if (Path.GetDirectoryName(path) is { } parent)
            Make(parent);
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(path);
        else
            Directory.CreateDirectory(path, DirectoryMode700);
    }

    private static FileStreamOptions Options(FileMode mode, FileAccess access, FileShare share)
    {
        var options = new FileStreamOptions { Mode = mode, Access = access, Share = share };
        // Only a file that is made anew: to set it on another is refused.
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = FileMode600;
        return options;
    }

    [UnsupportedOSPlatform("windows")]
    private static void Check(string path, SafeFileHandle? opened, string wanted)
    {
        string shown = Printable.Text(path);
        UnixFileMode mode;
        try
        {
            mode = opened is null ? File.GetUnixFileMode(path) : File.GetUnixFileMode(opened);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SignInStoreException($"{shown} cannot be looked at ({e.GetType().Name}).", e);
        }

        if ((mode & Others) != 0)
        {
            throw new SignInStoreException($"{shown} has the mode {Convert.ToString((int)mode, 8)}, so that others than its owner could use the sign-in: not used. "
                + $"Run: chmod {wanted} '{shown}'");
        }

        // Where nobody but the owner has a right, whoever may look in is the owner, or root.
        if (FileOwner.IsAnother(path))
            throw new SignInStoreException($"{shown} belongs to another user than this process runs as: not used. Sign in as this user, or set {SignInStore.DirectoryVariable}.");
    }
}
