using System.Globalization;
using System.Text.Json.Nodes;

namespace M3.Client.Auth.Tool;

/// <summary>Kept sign-ins, for people and for programs; never a token.</summary>
internal static class SignInTable
{
    public static Section Of(IEnumerable<SignIn> signIns) => new("Signed in", ["who", "issuer", "audience", "client", "scopes", "access token", "renewed", "goes to"], [.. signIns.Select(signIn => new[]
    {
        signIn.Subject ?? "(nobody by name)", signIn.IssuerUrl, signIn.Audience, signIn.ClientId, string.Join(' ', signIn.Scopes), DescribeExpiry(signIn), signIn.RefreshToken is null ? "no: sign in again then" : "yes",
        signIn.OnlyFor?.GetLeftPart(UriPartial.Authority) ?? "any allowed origin",
    })]);

    public static JsonObject ToJson(SignIn signIn) => new()
    {
        ["subject"] = signIn.Subject,
        ["issuer"] = signIn.IssuerUrl,
        ["audience"] = signIn.Audience,
        ["clientId"] = signIn.ClientId,
        ["scopes"] = Json.Array(signIn.Scopes),
        ["resource"] = signIn.Resource,
        ["onlyFor"] = signIn.OnlyFor?.GetLeftPart(UriPartial.Authority),
        ["signedInAt"] = Describe(signIn.SignedInAt),
        ["accessTokenExpiresAt"] = signIn.AccessTokenExpiresAt is { } end ? Describe(end) : null,
        ["isRenewable"] = signIn.RefreshToken is not null,
    };

    private static string DescribeExpiry(SignIn signIn)
    {
        if (signIn.AccessTokenExpiresAt is not { } end)
            return "never expires";
        TimeSpan left = end - TimeProvider.System.GetUtcNow();
        return left > TimeSpan.Zero ? $"expires in {Duration.Describe(left)}" : $"expired {Duration.Describe(-left)} ago";
    }

    private static string Describe(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
