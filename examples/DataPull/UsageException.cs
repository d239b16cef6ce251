namespace DataPull;

/// <summary>A mistake of the user's, told without a stack trace and with exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
