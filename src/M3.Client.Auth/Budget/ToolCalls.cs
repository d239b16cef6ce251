using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Unicode;

namespace M3.Client.Auth;

/// <summary>
/// How many tool calls a request makes, which is what M3 counts. Newer MCP clients say the method in a header; of older ones the JSON-RPC
/// message is read, where that leaves the request as it was. What cannot be told counts as one.
/// </summary>
internal static class ToolCalls
{
    private const int LongestBody = 64 * 1024;
    private const int UsualBody = 4 * 1024;

    // Taken by whoever reads a body on this thread, and put back: nothing is allocated for an ordinary one.
    [ThreadStatic]
    private static MemoryStream? _scratch;

    /// <summary>The number of tool calls; null when the body has to be buffered first, see <see cref="BufferAndCountAsync"/>.</summary>
    public static int? Count(HttpRequestMessage request)
    {
        HttpHeadersNonValidated headers = request.Headers.NonValidated;
        if (headers.Count > 0 && headers.TryGetValues("Mcp-Method", out HeaderStringValues methods))
            return CountIn(methods);
        if (request.Method == HttpMethod.Post)
            return CountIn(request.Content);
        return request.Method == HttpMethod.Get || request.Method == HttpMethod.Delete ? 0 : 1;
    }

    /// <summary>Has an object made to JSON now, once: it is counted and sent from the buffer. One that is too long is sent as it would have been.</summary>
    public static async ValueTask<int> BufferAndCountAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            await request.Content!.LoadIntoBufferAsync(LongestBody, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // Too long; or it cannot be written at all, which its sending will tell better. Its length stays unknown.
        }

        return Count(request) ?? 1;
    }

    private static int CountIn(HeaderStringValues methods)
    {
        foreach (string method in methods)
        {
            if (method == "tools/call")
                return 1;
        }

        return 0;
    }

    private static int? CountIn(HttpContent? content)
    {
        if (content is not (ByteArrayContent or ReadOnlyMemoryContent or JsonContent))
            return 1;
        // Of an object that is no JSON yet, nobody knows the length.
        long? length = content.Headers.ContentLength;
        if (content is JsonContent && length is null)
            return null;
        // Nothing at all is no JSON: said here, it costs no exception.
        return length is > 0 and <= LongestBody ? CountIn(content, (int)length) : 1;
    }

    // Written to memory: unlike a stream that is read, this leaves nothing behind for whoever sends the content.
    private static int CountIn(HttpContent content, int length)
    {
        MemoryStream body = length <= UsualBody ? _scratch ?? NewBody(UsualBody) : NewBody(length);
        _scratch = null;
        try
        {
            body.Position = 0;
            content.CopyTo(body, null, default);
            return CountIn(body.GetBuffer().AsSpan(0, (int)body.Position));
        }
        catch (Exception)
        {
            // It is no JSON; or it cannot be written, which its sending will tell better.
            return 1;
        }
        finally
        {
            _scratch = body.Capacity == UsualBody ? body : null;
        }
    }

    private static MemoryStream NewBody(int length) => new(new byte[length], 0, length, writable: true, publiclyVisible: true);

    private static int CountIn(ReadOnlySpan<byte> utf8)
    {
        if (!Utf8.IsValid(utf8))
            return 1;

        var reader = new Utf8JsonReader(utf8);
        reader.Read();
        int calls = 0;
        int messages = 0;
        if (reader.TokenType == JsonTokenType.StartArray)
        {
            for (; reader.Read() && reader.TokenType != JsonTokenType.EndArray; messages++)
                calls += CountOne(ref reader);
        }

        if (messages == 0)
            calls = CountOne(ref reader);
        // What comes after it, too, must be JSON's: nothing.
        reader.Read();
        return calls;
    }

    // A request or notification has one method; what has none but a result or an error is an answer to the server.
    private static int CountOne(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return 1;
        }

        int methods = 0;
        bool isCall = false;
        bool isAnswer = false;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            bool isMethod = reader.ValueTextEquals("method"u8);
            isAnswer |= reader.ValueTextEquals("result"u8) || reader.ValueTextEquals("error"u8);
            reader.Read();
            if (isMethod)
            {
                methods++;
                isCall = reader.TokenType != JsonTokenType.String || reader.ValueTextEquals("tools/call"u8);
            }

            reader.Skip();
        }

        return methods switch
        {
            0 => isAnswer ? 0 : 1,
            1 => isCall ? 1 : 0,
            _ => 1,
        };
    }
}
