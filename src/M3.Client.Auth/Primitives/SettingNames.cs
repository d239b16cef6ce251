namespace M3.Client.Auth;

/// <summary>What the names of M3's own settings begin with.</summary>
internal static class SettingNames
{
    public const string DefaultPrefix = "M3_OAUTH2_";
}
