namespace M3.Client.Auth;

/// <summary>The kept sign-ins cannot be read or written. The message says which path, what is wrong with it and what to do; it holds no secret.</summary>
internal sealed class SignInStoreException(string message, Exception? innerException = null) : Exception(message, innerException);
