namespace HttpClientFactory;

/// <summary>A typed client: it is handed the <see cref="HttpClient"/> that was registered for it, token and all.</summary>
internal sealed class IcuClient(HttpClient http)
{
    public Task<IReadOnlyList<IReadOnlyDictionary<string, string>>> GetStaysAsync(int limit, CancellationToken cancellationToken) =>
        M3Tool.CallAsync(http, "get_icu_stays", limit, cancellationToken);
}
