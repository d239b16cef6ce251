using Microsoft.Extensions.Options;

namespace LocalM3;

/// <summary>Which M3 an example calls: the one that <c>M3_URL</c> names, or LocalM3 where it names none.</summary>
public static class M3Url
{
    /// <summary>The variable's name.</summary>
    public const string Variable = "M3_URL";

    /// <summary>The address that is set in this process's environment; null when none is.</summary>
    /// <exception cref="OptionsValidationException">It is no address that can be called.</exception>
    public static Uri? FromEnvironment() => Parse(Environment.GetEnvironmentVariable(Variable));

    /// <summary>The address in a value of <c>M3_URL</c>, wherever it was set; null when it is empty.</summary>
    /// <exception cref="OptionsValidationException">It is no address that can be called.</exception>
    public static Uri? Parse(string? value)
    {
        if (string.IsNullOrWhiteSpace(value))
            return null;
        return Uri.TryCreate(value, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https"
            ? url
            : throw new OptionsValidationException(Variable, typeof(Uri), [$"{Variable} must be an absolute http or https URL, but is {Echo.Quote(value)}."]);
    }
}
