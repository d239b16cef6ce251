
namespace M3.Client.Auth.Tool;

/// <summary>What the process ends with; TROUBLESHOOTING.md has the errors' codes, too.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int Settings = 3;
    public const int Interrupted = 130;

    private const int FirstError = 10;

    public static int Of(M3AuthError error) => FirstError + (int)error;
}
