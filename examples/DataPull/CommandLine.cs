using System.CommandLine;
using System.Text.RegularExpressions;
using LocalM3;

namespace DataPull;

/// <summary>What is to be pulled, and where to.</summary>
/// <param name="Table">The table.</param>
/// <param name="OrderBy">What its rows are ordered by.</param>
/// <param name="Out">The file for all of its rows.</param>
/// <param name="Format">The file's format.</param>
/// <param name="Rows">At most so many rows.</param>
/// <param name="Page">So many rows a call.</param>
/// <param name="Part">What this command pulls of them.</param>
/// <param name="IsJoin">It pulls nothing: it joins the parts.</param>
internal sealed partial record CommandLine(string Table, string OrderBy, string Out, FileFormat Format, long Rows, int Page, Part Part, bool IsJoin)
{
    public const string Notes =
        """
        Stop it whenever you like, with Ctrl+C or even kill -9: the same command goes on where it was. Until the pull is done, what is
        there for certain stands in FILE.state beside the file, and the rows of a Parquet file wait in FILE.rows. What passes by itself
        it waits for: M3's rate limit, and for two minutes a dropped connection or a restart.

        --workers N pulls N parts of the table at once, with one token and inside one rate limit. The parts wait beside the file, in
        TABLE.part-2-of-4.csv and so on, and are joined in the end: the file is the same, byte for byte. That helps where M3 is slow; where
        its rate limit is what a pull waits for, it takes as long.

        On several machines, start --part 1/4, --part 2/4, --part 3/4 and --part 4/4, each with the same options besides. Then bring
        the parts together in one folder, each with its .state (a Parquet file's part is its .rows), and start the same command with --join
        in place of --part. M3 counts the calls of all machines together: name a Redis with --redis, and they share one budget; or set
        M3_OAUTH2_RATE_LIMIT_REQUESTS to each one's share. A Redis with a password is better named in M3_REDIS than where others see it.

        With nothing set up it starts LocalM3, a stand-in for M3 with made-up rows. To pull from another M3, set M3_URL, for example
        https://m3.example.org/sse, and the settings of M3.Client.Auth: M3_OAUTH2_ISSUER_URL, M3_OAUTH2_AUDIENCE, and M3_OAUTH2_TOKEN or,
        for a pull that outlives its token, M3_OAUTH2_TOKEN_FILE or M3_OAUTH2_CLIENT_ID and M3_OAUTH2_CLIENT_SECRET. It reads from M3's
        DuckDB backend.

        In a CSV file an empty text is "", and a value that is not there is nothing at all. In a Parquet file each column has the type
        that it has in M3; only a HUGEINT, which Parquet does not know, becomes a DOUBLE.

        Exit code: 0 done, 1 the token or M3 failed, 2 a wrong argument, setting or file, 130 stopped.
        """;

    private const string DefaultTable = "hosp_labevents";
    private const string DefaultKey = "labevent_id";

    private static readonly Option<string?> TableOption = ExampleCommand.Text(
        "--table", "NAME", TableName().IsMatch, "the name of a table", $"the table (default: {DefaultTable})");

    private static readonly Option<string?> OrderByOption = ExampleCommand.Text(
        "--order-by", "COLUMN", ColumnNames().IsMatch, "a column's name, or several with commas between",
        $"a column that no two rows share, or several with commas between (default: {DefaultKey})");

    private static readonly Option<string?> OutOption = ExampleCommand.Text(
        "--out", "FILE", text => !string.IsNullOrWhiteSpace(text), "a file's name", "the file (default: TABLE.csv or TABLE.parquet)");

    private static readonly Option<string?> FormatOption = ExampleCommand.Text(
        "--format", "csv|parquet", text => FileFormat.All.Any(format => format.Name == text), "csv or parquet",
        "what the file is (default: what the file's name ends with, else csv)");

    private static readonly Option<long?> RowsOption = ExampleCommand.WholeNumber("--rows", 1, long.MaxValue, "at most so many rows (default: all)");

    private static readonly Option<long?> PageOption = ExampleCommand.WholeNumber("--page", 1, M3Table.LongestPage, "rows a call (default: 50, M3's most)");

    private static readonly Option<long?> WorkersOption = ExampleCommand.WholeNumber("--workers", 1, Part.Most, "parts pulled at once (default: 1)");

    private static readonly Option<string?> PartOption = ExampleCommand.Text(
        "--part", "I/N", text => Part.Parse(text) is not null, "a part such as 2/4, of at most 64",
        "only the I-th of N parts, into a file of its own: TABLE.part-I-of-N.csv");

    private static readonly Option<string?> RedisOption = ExampleCommand.Text(
        "--redis", "CONFIGURATION", text => !string.IsNullOrWhiteSpace(text), "where a Redis is, such as redis.example.org:6379",
        "one budget with all that name the same Redis (default: M3_REDIS, else a budget of its own)");

    private static readonly Option<bool> JoinOption = new("--join") { Description = "makes the file of its parts, which --part pulled; does not call M3" };

    /// <summary>How many parts are pulled at once.</summary>
    public int Workers => Part.IsWhole ? Part.Of : 1;

    /// <summary>Where the Redis is whose budget is shared; null: none is.</summary>
    // Not public: a record shows in its text what is, and here may stand a password.
    internal string? Redis { get; private init; }

    /// <summary>The file that this command makes.</summary>
    public string File => Part.FileOf(Out);

    public static RootCommand Create()
    {
        TableOption.Validators.Add(table =>
        {
            if (table.Tokens is [var name] && TableName().IsMatch(name.Value) && table.GetResult(OrderByOption) is null)
                table.AddError("--table needs --order-by, too: rows that are in no order may come twice, or never.");
        });
        var command = new RootCommand(
            """
            DataPull: pulls a table out of M3 into a CSV or Parquet file, 50 rows a call, inside M3's rate limit.
            Start it with: dotnet run --project examples/DataPull [-- OPTIONS]
            """)
        {
            TableOption,
            OrderByOption,
            OutOption,
            FormatOption,
            RowsOption,
            PageOption,
            WorkersOption,
            PartOption,
            JoinOption,
            RedisOption,
        };
        command.Validators.Add(result =>
        {
            if (new Option[] { WorkersOption, PartOption, JoinOption }.Count(option => result.GetResult(option) is { Implicit: false }) > 1)
                result.AddError("--workers, --part and --join do not go together: --workers N pulls all parts and joins them, --part I/N pulls one, --join joins those that --part pulled.");
        });
        return command;
    }

    public static CommandLine Read(ParseResult parsed)
    {
        string table = parsed.GetValue(TableOption) ?? DefaultTable;
        string? file = parsed.GetValue(OutOption);
        string? name = parsed.GetValue(FormatOption);
        FileFormat format = FileFormat.All.FirstOrDefault(format => format.Name == name)
            ?? FileFormat.All.FirstOrDefault(format => file?.EndsWith($".{format.Name}", StringComparison.OrdinalIgnoreCase) == true)
            ?? FileFormat.Csv;
        return new CommandLine(
            table,
            parsed.GetValue(OrderByOption) ?? DefaultKey,
            file ?? $"{table}.{format.Name}",
            format,
            parsed.GetValue(RowsOption) ?? long.MaxValue,
            (int)(parsed.GetValue(PageOption) ?? M3Table.LongestPage),
            Part.Parse(parsed.GetValue(PartOption)) ?? Part.Whole((int)(parsed.GetValue(WorkersOption) ?? 1)),
            parsed.GetValue(JoinOption))
        {
            Redis = parsed.GetValue(RedisOption) ?? (Environment.GetEnvironmentVariable("M3_REDIS") is { } redis && !string.IsNullOrWhiteSpace(redis) ? redis : null),
        };
    }

    [GeneratedRegex(@"^[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,2}\z")]
    private static partial Regex TableName();

    [GeneratedRegex(@"^[A-Za-z_]\w*(\s*,\s*[A-Za-z_]\w*)*\z")]
    private static partial Regex ColumnNames();
}
