using System.ComponentModel;
using System.Diagnostics;

namespace M3.Client.Auth.Tool;

/// <summary>The browser of whoever sits here.</summary>
internal static class SystemBrowser
{
    private const string Variable = "BROWSER";

    /// <summary>Whether one can be expected to open where the person sees it: not over ssh, and not without a display.</summary>
    public static bool IsLikely => !IsSet("SSH_CONNECTION") && !IsSet("SSH_TTY")
        && (OperatingSystem.IsWindows() || OperatingSystem.IsMacOS() || IsSet("DISPLAY") || IsSet("WAYLAND_DISPLAY"));

    /// <summary>Opens a page. That none opens is no error: the address can be opened by hand.</summary>
    public static void Open(Uri address)
    {
        // What stands in the variable is a command, with %s for the address or the address behind it.
        string[] command = Environment.GetEnvironmentVariable(Variable) is { } set && CommandLine.Split(set) is [_, ..] words ? words
            : OperatingSystem.IsMacOS() ? ["open"] : ["xdg-open"];
        bool isNamed = command.Contains("%s");
        ProcessStartInfo start = OperatingSystem.IsWindows() && !IsSet(Variable)
            ? new(address.AbsoluteUri) { UseShellExecute = true }
            : new(command[0], [.. command.Skip(1).Select(word => word == "%s" ? address.AbsoluteUri : word), .. isNamed ? [] : (string[])[address.AbsoluteUri]])
            {
                // A browser says this and that, which is no part of the report.
                UseShellExecute = false,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
        try
        {
            using Process? browser = Process.Start(start);
            if (start.UseShellExecute || browser is null)
                return;
            Drain(browser.StandardOutput.BaseStream);
            Drain(browser.StandardError.BaseStream);
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException)
        {
            // There is none, or the command is no program.
        }
    }

    private static void Drain(Stream output) => _ = output.CopyToAsync(Stream.Null);

    private static bool IsSet(string variable) => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(variable));
}
