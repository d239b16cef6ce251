namespace M3.Client.Auth.Tool;

/// <summary>Why nobody could be signed in, or out, in one sentence, and what to do.</summary>
internal sealed class SignInException(string message, string remedy) : Exception(message)
{
    public string Remedy { get; } = remedy;
}
