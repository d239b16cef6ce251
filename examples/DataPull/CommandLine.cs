using System.Globalization;
using System.Text.RegularExpressions;
using LocalM3;

namespace DataPull;

/// <summary>What is to be pulled, and where to.</summary>
internal sealed partial record CommandLine
{
    public const string Help =
        """
        DataPull: pulls a table out of M3 into a CSV file, 50 rows a call, inside M3's rate limit.

        Usage: dotnet run --project examples/DataPull [-- OPTIONS]

          --table NAME       the table (default: hosp_labevents)
          --order-by COLUMN  a column that no two rows share, or several with commas between (default: labevent_id)
          --out FILE         the CSV file (default: TABLE.csv)
          --rows N           at most so many rows (default: all)
          --page N           rows a call, 1 to 50 (default: 50, M3's most)
          --help             show this

        Stop it whenever you like, with Ctrl+C or even kill -9: the same command goes on where it was. Until the pull is done, what is
        in the file for certain stands in FILE.state beside it. What passes by itself it waits for: M3's rate limit, and for two minutes
        a dropped connection or a restart.

        With nothing set up it starts LocalM3, a stand-in for M3 with made-up rows. To pull from another M3, set M3_URL, for example
        https://m3.example.org/sse, and the settings of M3.Client.Auth: M3_OAUTH2_ISSUER_URL, M3_OAUTH2_AUDIENCE, and M3_OAUTH2_TOKEN or,
        for a pull that outlives its token, M3_OAUTH2_TOKEN_FILE or M3_OAUTH2_CLIENT_ID and M3_OAUTH2_CLIENT_SECRET. It reads from M3's
        DuckDB backend.

        In the file an empty text is "", and a value that is not there is nothing at all.

        Exit code: 0 done, 1 the token or M3 failed, 2 a wrong argument, setting or file, 130 stopped.
        """;

    private const string DefaultTable = "hosp_labevents";
    private const string DefaultKey = "labevent_id";

    public string Table { get; private init; } = DefaultTable;

    public string OrderBy { get; private init; } = DefaultKey;

    public string Out { get; private init; } = "";

    public long Rows { get; private init; } = long.MaxValue;

    public int Page { get; private init; } = 50;

    /// <exception cref="FormatException">An option is unknown, or its value is no good.</exception>
    public static CommandLine Parse(string[] args)
    {
        string? table = null, orderBy = null, file = null;
        var parsed = new CommandLine();
        for (int i = 0; i < args.Length; i += 2)
        {
            string name = args[i];
            string? value = args.ElementAtOrDefault(i + 1);
            switch (name)
            {
                case "--table":
                    table = Matching(TableName(), name, value, "the name of a table");
                    break;
                case "--order-by":
                    orderBy = Matching(ColumnNames(), name, value, "a column's name, or several with commas between");
                    break;
                case "--out":
                    file = string.IsNullOrWhiteSpace(value) ? throw new FormatException("--out takes a file's name.") : value;
                    break;
                case "--rows":
                    parsed = parsed with { Rows = Number(name, value, long.MaxValue) };
                    break;
                case "--page":
                    parsed = parsed with { Page = (int)Number(name, value, 50) };
                    break;
                default:
                    throw new FormatException(Echo.Unknown(name));
            }
        }

        if (table is not null && orderBy is null)
            throw new FormatException("--table needs --order-by, too: rows that are in no order may come twice, or never.");
        table ??= DefaultTable;
        return parsed with { Table = table, OrderBy = orderBy ?? DefaultKey, Out = file ?? $"{table}.csv" };
    }

    private static string Matching(Regex names, string option, string? value, string what) =>
        value is not null && names.IsMatch(value) ? value : throw new FormatException($"{option} takes {what}, not {Echo.Quote(value)}.");

    private static long Number(string option, string? text, long max) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number >= 1 && number <= max
            ? number
            : throw new FormatException($"{option} takes a whole number {(max == long.MaxValue ? "from 1" : $"from 1 to {max}")}, not {Echo.Quote(text)}.");

    [GeneratedRegex(@"^[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,2}\z")]
    private static partial Regex TableName();

    [GeneratedRegex(@"^[A-Za-z_]\w*(\s*,\s*[A-Za-z_]\w*)*\z")]
    private static partial Regex ColumnNames();
}
