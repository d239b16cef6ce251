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

    /// <summary>Opens a page.</summary>
    /// <returns>False: there is none that could be started. The address can be opened by hand.</returns>
    public static bool TryOpen(Uri address)
    {
        // What stands in the variable is a command, with %s for the address or the address behind it; of several, between colons, the first.
        string[] command = Environment.GetEnvironmentVariable(Variable) is { } set && CommandLine.Split(OperatingSystem.IsWindows() ? set : set.Split(':')[0]) is [_, ..] words ? words
            : OperatingSystem.IsMacOS() ? ["open"] : ["xdg-open"];
        bool isNamed = command.Any(word => word.Contains("%s", StringComparison.Ordinal));
        ProcessStartInfo start = OperatingSystem.IsWindows() && !IsSet(Variable)
            ? new(address.AbsoluteUri) { UseShellExecute = true }
            : new(command[0], [.. command.Skip(1).Select(word => word.Replace("%s", address.AbsoluteUri, StringComparison.Ordinal)), .. isNamed ? [] : (string[])[address.AbsoluteUri]])
            {
                // A browser says this and that, which is no part of the report.
                UseShellExecute = false,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
        try
        {
            using Process? browser = Process.Start(start);
            if (!start.UseShellExecute && browser is not null)
            {
                Drain(browser.StandardOutput.BaseStream);
                Drain(browser.StandardError.BaseStream);
            }

            return true;
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException)
        {
            return false;
        }
    }

    private static void Drain(Stream output) => _ = output.CopyToAsync(Stream.Null);

    private static bool IsSet(string variable) => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(variable));
}
