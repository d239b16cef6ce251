using System.Text;

namespace M3.Client.Auth;

/// <summary>The <c>Bearer</c> challenge of a <c>WWW-Authenticate</c> header (RFC 6750, section 3).</summary>
public sealed class BearerChallenge
{
    private const string Scheme = "Bearer";

    private BearerChallenge(Dictionary<string, string> parameters)
    {
        Error = Read("error");
        ErrorDescription = Read("error_description");
        Realm = Read("realm");
        ResourceMetadata = Read("resource_metadata");
        Scopes = Read("scope")?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];

        // A server that repeats the token in its answer must not bring it into a log that way.
        string? Read(string name) => parameters.TryGetValue(name, out string? value) ? Printable.WithoutToken(value) : null;
    }

    /// <summary><c>error</c>: <c>invalid_token</c>, <c>insufficient_scope</c> or <c>invalid_request</c>; null for a bare challenge.</summary>
    public string? Error { get; }

    /// <summary><c>error_description</c>, as the server wrote it, unless a token stands in it.</summary>
    public string? ErrorDescription { get; }

    /// <summary><c>realm</c> (RFC 9110, section 11.5).</summary>
    public string? Realm { get; }

    /// <summary><c>scope</c>: the scopes that the server asks for; empty when it named none.</summary>
    public IReadOnlyList<string> Scopes { get; }

    /// <summary><c>resource_metadata</c>: where the server describes itself (RFC 9728, section 5.1).</summary>
    public string? ResourceMetadata { get; }

    /// <summary>
    /// The first Bearer challenge among the header's lines, preferring one that carries an <c>error</c>. Several challenges may
    /// share a line or stand on several, in any order (RFC 9110, section 11.6.1); what is malformed is ignored.
    /// </summary>
    internal static BearerChallenge? Find(IEnumerable<string> headerLines)
    {
        BearerChallenge? found = null;
        foreach (string line in headerLines)
        {
            foreach ((string scheme, Dictionary<string, string> parameters) in new Reader(line).ReadAll())
            {
                if (!scheme.Equals(Scheme, StringComparison.OrdinalIgnoreCase))
                    continue;
                var challenge = new BearerChallenge(parameters);
                if (found is null || (found.Error is null && challenge.Error is not null))
                    found = challenge;
            }
        }

        return found;
    }

    private sealed class Reader(string line)
    {
        private int _at;
        private bool _isStrict;

        private bool AtEnd => _at >= line.Length;

        public List<(string Scheme, Dictionary<string, string> Parameters)> ReadAll()
        {
            List<(string Scheme, Dictionary<string, string> Parameters)> challenges = [];
            while (true)
            {
                SkipWhile(static c => c is ',' or ' ' or '\t');
                if (AtEnd)
                    return challenges;

                string name = ReadWhile(IsTokenCharacter);
                if (name.Length == 0)
                {
                    // What is quoted where nothing belongs is no challenge, whatever it says.
                    if (line[_at] == '"')
                        ReadQuoted();
                    else
                        _at++;
                }
                else if (challenges.Count > 0 && TryReadValue(out string? value))
                {
                    // The first of a repeated parameter counts: a later one must not be able to replace it.
                    challenges[^1].Parameters.TryAdd(name, value);
                }
                else
                {
                    challenges.Add((name, new(StringComparer.OrdinalIgnoreCase)));
                    SkipToken68();
                }
            }
        }

        private bool TryReadValue(out string value)
        {
            int start = _at;
            SkipWhile(IsBlank);
            value = "";
            if (AtEnd || line[_at] != '=')
            {
                _at = start;
                return false;
            }

            _at++;
            SkipWhile(IsBlank);
            // Servers in the field leave values such as scope=read:mimic-data unquoted, although ':' needs quotes.
            value = !AtEnd && line[_at] == '"' ? ReadQuoted() : ReadWhile(static c => c is not (',' or ' ' or '\t'));
            return true;
        }

        // Servers in the field put their words between quotation marks as they are: error_description=""exp" claim timestamp check failed".
        // So a mark ends the value only where the challenge goes on behind it, as it always does where marks inside are escaped.
        private string ReadQuoted()
        {
            var text = new StringBuilder();
            (int Length, int At)? first = null;
            for (_at++; !AtEnd; _at++)
            {
                if (line[_at] == '"')
                {
                    if (_isStrict || GoesOnBehind(_at))
                    {
                        _at++;
                        return text.ToString();
                    }

                    first ??= (text.Length, _at);
                }
                else if (line[_at] == '\\' && _at + 1 < line.Length)
                {
                    _at++;
                }

                text.Append(line[_at]);
            }

            // It goes on nowhere: then the first mark counts, and so for the rest of the line, which need not be searched again.
            if (first is not { } end)
                return text.ToString();
            _isStrict = true;
            _at = end.At + 1;
            return text.ToString(0, end.Length);
        }

        // Whether a mark is followed by the line's end, or by a further parameter or challenge, most often behind a comma.
        private bool GoesOnBehind(int mark)
        {
            int before = _at;
            _at = mark + 1;
            SkipWhile(IsBlank);
            bool goesOn = AtEnd || (line[_at] is ',' or ';' ? IsListElementNext() : _at > mark + 1 && IsParameterNext());
            _at = before;
            return goesOn;
        }

        private bool IsListElementNext()
        {
            while (true)
            {
                SkipWhile(static c => c is ',' or ';' or ' ' or '\t');
                if (AtEnd || IsParameterNext())
                    return true;

                // A scheme, alone or with something of its own; of a sentence, more must prove to be none.
                if (ReadWhile(IsTokenCharacter).Length == 0)
                    return false;
                SkipToken68();
                SkipWhile(IsBlank);
                if (AtEnd || IsParameterNext())
                    return true;
                if (line[_at] != ',')
                    return false;
            }
        }

        private bool IsParameterNext()
        {
            int start = _at;
            bool isOne = ReadWhile(IsTokenCharacter).Length > 0;
            SkipWhile(IsBlank);
            isOne &= !AtEnd && line[_at] == '=';
            _at = start;
            return isOne;
        }

        // What follows a scheme may be one token68 ("Negotiate YII=") instead of parameters.
        private void SkipToken68()
        {
            int start = _at;
            SkipWhile(IsBlank);
            int first = _at;
            SkipWhile(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_' or '~' or '+' or '/');
            bool any = _at > first;
            SkipWhile(static c => c == '=');
            SkipWhile(IsBlank);
            if (!any || first == start || !(AtEnd || line[_at] == ','))
                _at = start;
        }

        private void SkipWhile(Func<char, bool> matches)
        {
            while (!AtEnd && matches(line[_at]))
                _at++;
        }

        private string ReadWhile(Func<char, bool> matches)
        {
            int start = _at;
            SkipWhile(matches);
            return line[start.._at];
        }

        private static bool IsBlank(char c) => c is ' ' or '\t';

        private static bool IsTokenCharacter(char c) =>
            char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal);
    }
}
