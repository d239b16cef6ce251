using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace M3.Client.Auth;

/// <summary>A sign-in as it stands in its file: one JSON object, whose first member says which format it is.</summary>
internal static class SignInFile
{
    private const int Version = 1;
    private const string TimeFormat = "O";

    public static byte[] Write(SignIn signIn)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("version", Version);
            json.WriteString("issuer", signIn.IssuerUrl);
            json.WriteString("client_id", signIn.ClientId);
            json.WriteString("audience", signIn.Audience);
            json.WriteString("scope", string.Join(' ', signIn.Scopes));
            WriteIfAny(json, "resource", signIn.Resource);
            WriteIfAny(json, "only_for", signIn.OnlyFor?.OriginalString);
            WriteIfAny(json, "subject", signIn.Subject);
            json.WriteString("signed_in_at", signIn.SignedInAt.ToString(TimeFormat, CultureInfo.InvariantCulture));
            WriteIfAny(json, "access_token", Protect(signIn.AccessToken));
            WriteIfAny(json, "access_token_expires_at", signIn.AccessTokenExpiresAt?.ToString(TimeFormat, CultureInfo.InvariantCulture));
            WriteIfAny(json, "refresh_token", Protect(signIn.RefreshToken));
            json.WriteEndObject();
        }

        byte[] content = buffer.WrittenSpan.ToArray();
        // No copy stays behind that nobody needs.
        buffer.Clear();
        return content;
    }

    /// <exception cref="SignInStoreException">The content is of a newer format, or damaged.</exception>
    public static SignIn Read(ReadOnlyMemory<byte> content, string path)
    {
        if (StrictJson.TryParseObject(content) is not { } json || !json.TryGetProperty("version", out JsonElement member)
            || member.ValueKind != JsonValueKind.Number || !member.TryGetInt32(out int version))
            throw Damaged(path);
        if (version > Version)
            throw new SignInStoreException($"The sign-in in {Printable.Text(path)} was kept by a newer version (format {version}, and this one knows {Version}): update this program.");

        if (Text("issuer") is not { } issuer || Text("client_id") is not { } client || Text("audience") is not { } audience || Time("signed_in_at") is not { } signedInAt)
            throw Damaged(path);
        Uri? onlyFor = null;
        if (Text("only_for") is { } origin && !Uri.TryCreate(origin, UriKind.Absolute, out onlyFor))
            throw Damaged(path);
        return new SignIn
        {
            IssuerUrl = issuer,
            ClientId = client,
            Audience = audience,
            Scopes = Text("scope")?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [],
            Resource = Text("resource"),
            OnlyFor = onlyFor,
            Subject = Text("subject"),
            SignedInAt = signedInAt,
            AccessToken = Unprotect(Text("access_token"), path),
            AccessTokenExpiresAt = Time("access_token_expires_at"),
            RefreshToken = Unprotect(Text("refresh_token"), path),
        };

        // A member of another kind than expected is no member that may be left out: OnlyFor guards the token.
        string? Text(string name)
        {
            if (!json.TryGetProperty(name, out JsonElement value))
                return null;
            return StrictJson.ReadString(value) ?? throw Damaged(path);
        }

        DateTimeOffset? Time(string name) => Text(name) is not { } text ? null
            : DateTimeOffset.TryParseExact(text, TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.None, out DateTimeOffset time) ? time
            : throw Damaged(path);
    }

    public static SignInStoreException Damaged(string path) =>
        new($"The sign-in in {Printable.Text(path)} is damaged: sign in again (m3-token login), which replaces it, or delete the file.");

    private static void WriteIfAny(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
            json.WriteString(name, value);
    }

    // Windows has no modes: there the user's own key (DPAPI) keeps others out.
    private static string? Protect(string? secret) => secret is null || !OperatingSystem.IsWindows()
        ? secret
        : Convert.ToBase64String(ProtectedData.Protect(Encoding.UTF8.GetBytes(secret), optionalEntropy: null, DataProtectionScope.CurrentUser));

    private static string? Unprotect(string? kept, string path)
    {
        if (kept is null || !OperatingSystem.IsWindows())
            return kept;
        try
        {
            return Encoding.UTF8.GetString(ProtectedData.Unprotect(Convert.FromBase64String(kept), optionalEntropy: null, DataProtectionScope.CurrentUser));
        }
        catch (Exception e) when (e is FormatException or CryptographicException)
        {
            throw Damaged(path);
        }
    }
}
