using System.Runtime.InteropServices;
using System.Text;

namespace M3.Client.Auth;

/// <summary>
/// Whose a file is, which .NET does not tell. Asked on Linux by <c>statx</c>, the one such call whose answer looks the same on every
/// architecture; elsewhere the mode has to do.
/// </summary>
internal static class FileOwner
{
    private const int RelativeToHere = -100;
    private const uint WantsOwner = 0x8;
    private const int AnswerLength = 256;
    private const int OwnerAt = 20;

    /// <summary>Whether it certainly is another user's.</summary>
    public static bool IsAnother(string path)
    {
        if (!OperatingSystem.IsLinux())
            return false;
        byte[] answer = new byte[AnswerLength];
        try
        {
            return Ask(RelativeToHere, Encoding.UTF8.GetBytes(path + '\0'), 0, WantsOwner, answer) == 0
                && BitConverter.ToUInt32(answer, OwnerAt) != OwnUser();
        }
        catch (EntryPointNotFoundException)
        {
            // A C library from before 2018.
            return false;
        }
    }

    [DllImport("libc", EntryPoint = "statx")]
    private static extern int Ask(int directory, byte[] path, int flags, uint mask, byte[] answer);

    [DllImport("libc", EntryPoint = "geteuid")]
    private static extern uint OwnUser();
}
