namespace M3.Client.Auth.IntegrationTests.Examples;

/// <summary>What stands in the files that a pull makes, of tables that are not as tame as MIMIC-IV's.</summary>
public sealed class FileFormatTests : PullFixture
{
    protected override string MoreTables =>
        """
        CREATE TABLE named_like_the_query AS SELECT CAST(n AS INTEGER) AS t, 'line ' || n AS line, n + 0.5 AS "T_" FROM range(1, 121) AS numbers(n);
        CREATE TABLE odd_values (
            id INTEGER, text VARCHAR, exact DECIMAL(18, 4), large BIGINT, real DOUBLE, flag BOOLEAN, day DATE, moment TIMESTAMP, there TIMESTAMPTZ,
            list INTEGER[], pair STRUCT(a INTEGER, b VARCHAR), raw BLOB, kind ENUM('one', 'the other''s'));
        INSERT INTO odd_values VALUES
            (1, 'a "quoted", text', 12345678901234.5678, 9223372036854775807, 1e300, true, '2150-02-28', '2150-02-28 23:59:59.123456',
             '2150-02-28 23:59:59+00', [1, NULL, 3], {'a': 1, 'b': 'x,y'}, '\x00\xFF', 'the other''s'),
            (2, '', -0.0001, -1, -0.0, false, NULL, NULL, NULL, [], NULL, '', 'one'),
            (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
            (4, ' blanks around ', 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
            (5, E'two\nlines\rand a tab\t.', 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        CREATE TABLE no_rows (id INTEGER, note VARCHAR);
        """;

    [Test]
    public async Task A_table_may_have_columns_named_like_what_the_query_names()
    {
        await PullAsync("pull.csv", "named_like_the_query", "t");
        await PullAsync("pull.parquet", "named_like_the_query", "t");

        string[] lines = await File.ReadAllLinesAsync(In("pull.csv"));
        Assert.That(lines, Has.Length.EqualTo(121));
        Assert.That((lines[0], lines[1], lines[120]), Is.EqualTo(("t,line,T_", "1,line 1,1.5", "120,line 120,120.5")));
        Assert.That(lines[1..].Select(line => line.Split(',')[0]), Is.EqualTo(Enumerable.Range(1, 120).Select(n => $"{n}")));
        Assert.That(DuckDb.Ask($"SELECT t, line, T_ FROM '{In("pull.parquet")}'"), Is.EqualTo(lines[1..].Select(line => line.Replace(',', '\t'))));
    }

    [Test]
    public async Task Parquet_has_M3s_types_and_the_same_values_as_CSV()
    {
        await PullAsync("pull.csv", "hosp_admissions", "hadm_id");
        await PullAsync("pull.parquet", "hosp_admissions", "hadm_id");

        string[] types = DuckDb.Ask($"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM '{In("pull.parquet")}')");
        string parquet = $"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM '{In("pull.parquet")}'";
        string csv = $"SELECT * FROM read_csv('{In("pull.csv")}', all_varchar = true)";
        Assert.That(types, Does.Contain("subject_id\tINTEGER").And.Contain("admittime\tTIMESTAMP").And.Contain("race\tVARCHAR").And.Contain("hospital_expire_flag\tSMALLINT"));
        Assert.That(DuckDb.Ask($"SELECT count(*) FROM '{In("pull.parquet")}'"), Is.EqualTo(["450"]));
        Assert.That(DuckDb.Ask($"({parquet} EXCEPT ALL {csv}) UNION ALL ({csv} EXCEPT ALL {parquet})"), Is.Empty);
        Assert.That(DuckDb.Ask($"SELECT hadm_id FROM '{In("pull.parquet")}'"), Is.EqualTo(Enumerable.Range(92000001, 450).Select(id => $"{id}")));
    }

    [Test]
    public async Task In_Parquet_every_value_comes_back_as_it_was()
    {
        await PullAsync("pull.parquet", "odd_values", "id");

        string original = string.Join('\n', DuckDb.Ask($"{MoreTables} SELECT to_json(r) FROM odd_values AS r ORDER BY id"));
        Assert.That(string.Join('\n', DuckDb.Rows(In("pull.parquet"))), Is.EqualTo(original));
    }

    [Test]
    public async Task In_CSV_an_empty_text_is_told_from_nothing_and_what_is_special_is_quoted()
    {
        await PullAsync("pull.csv", "odd_values", "id");

        string[] texts = DuckDb.Ask($"SELECT coalesce(text, 'nothing') FROM read_csv('{In("pull.csv")}', all_varchar = true, allow_quoted_nulls = false)");
        string csv = await File.ReadAllTextAsync(In("pull.csv"));
        Assert.That(texts, Is.EqualTo(["a \"quoted\", text", "", "nothing", " blanks around ", "two\nlines\rand a tab\t."]));
        Assert.That(csv, Does.Contain("\n1,\"a \"\"quoted\"\", text\",12345678901234.5678,").And.Contain("\n2,\"\",").And.Contain("\n3,,,,,,,,,,,,\n").And.Contain("\n4,\" blanks around \","));
    }

    [Test]
    public async Task A_table_without_rows_has_its_columns_in_either_format()
    {
        await PullAsync("pull.csv", "no_rows", "id");
        await PullAsync("pull.parquet", "no_rows", "id");

        Assert.That(await File.ReadAllTextAsync(In("pull.csv")), Is.EqualTo("id,note\n"));
        Assert.That(DuckDb.Ask($"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM '{In("pull.parquet")}')"), Is.EqualTo(["id\tINTEGER", "note\tVARCHAR"]));
        Assert.That(DuckDb.Rows(In("pull.parquet")), Is.Empty);
        Assert.That(Directory.EnumerateFiles(Folder).Count(), Is.EqualTo(2));
    }

    [Test]
    public async Task The_format_is_the_one_asked_for_else_what_the_name_ends_with()
    {
        ExampleResult named = await PullAsync("a [b]*.parquet", "no_rows", "id");
        ExampleResult asked = await PullAsync(Environment(), "--table", "hosp_d_icd_diagnoses", "--order-by", "icd_code, icd_version", "--format", "parquet");
        ExampleResult other = await PullAsync(Environment(), "--table", "hosp_d_icd_diagnoses", "--order-by", "icd_code, icd_version", "--format", "csv", "--out", "csv.parquet");

        Assert.That(named.Output, Does.Contain("Done: 0 rows in a [b]*.parquet"));
        Assert.That(asked.Output, Does.Contain(" rows in hosp_d_icd_diagnoses.parquet"), asked.All);
        Assert.That(DuckDb.Rows(In("hosp_d_icd_diagnoses.parquet")), Is.Not.Empty);
        Assert.That(await File.ReadAllTextAsync(In("csv.parquet")), Does.StartWith("icd_code,icd_version,long_title\n"), other.All);
    }

    private async Task<ExampleResult> PullAsync(string file, string table, string key)
    {
        ExampleResult result = await PullAsync(Environment(), "--table", table, "--order-by", key, "--out", file);
        Assert.That(result.ExitCode, Is.Zero, result.All);
        return result;
    }
}
