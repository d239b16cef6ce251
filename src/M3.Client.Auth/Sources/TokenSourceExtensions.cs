namespace M3.Client.Auth;

internal static class TokenSourceExtensions
{
    // A source of the user's is named by its type: its ToString() may hold anything.
    public static string DescribeSource(this ITokenSource source) => (source as INamedTokenSource)?.Name ?? source.GetType().Name;
}
