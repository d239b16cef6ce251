namespace LocalM3;

/// <summary>A request that arrived at <c>/sse</c>, whatever became of it.</summary>
/// <param name="Time">When, by the server's clock.</param>
/// <param name="Method">The HTTP method.</param>
/// <param name="Path">The path.</param>
/// <param name="Scheme">The scheme of the <c>Authorization</c> header, or null.</param>
/// <param name="Token">What follows the scheme, or null.</param>
/// <param name="McpMethod">The <c>Mcp-Method</c> header, or null.</param>
public sealed record ReceivedRequest(
    DateTimeOffset Time, string Method, string Path, string? Scheme, string? Token, string? McpMethod)
{
    /// <summary>One line, without the token: it may end up in a test's output.</summary>
    public override string ToString() => $"{Time:O} {Method} {Path} {McpMethod} {(Token is null ? "no token" : $"{Scheme} ***")}";
}
