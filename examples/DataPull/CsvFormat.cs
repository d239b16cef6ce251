using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using CsvHelper;
using CsvHelper.Configuration;

namespace DataPull;

/// <summary>CSV as RFC 4180 has it, in UTF-8. The file that grows is the file itself.</summary>
internal sealed class CsvFormat : FileFormat
{
    private static readonly SearchValues<char> Special = SearchValues.Create(",\"\r\n");

    private static readonly CsvConfiguration Configuration = new(CultureInfo.InvariantCulture)
    {
        NewLine = "\n",
        ShouldQuote = field => NeedsQuotes(field.Field),
    };

    public override string Name => "csv";

    public override string GrowingFile(string path) => path;

    public override byte[] Begin(IReadOnlyList<Column> columns) => Write([columns.Select(column => column.Name)]);

    public override byte[] Page(IReadOnlyList<JsonElement> rows) => Write(rows.Select(row => row.EnumerateObject().Select(value => Show(value.Value))));

    public override void Finish(string path, IReadOnlyList<Column> columns)
    {
    }

    private static byte[] Write(IEnumerable<IEnumerable<string?>> records)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        using (var csv = new CsvWriter(text, Configuration, leaveOpen: true))
        {
            foreach (IEnumerable<string?> record in records)
            {
                foreach (string? field in record)
                    csv.WriteField(field);
                csv.NextRecord();
            }
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static string? Show(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => value.GetString(),
        _ => value.GetRawText(),
    };

    // An empty text is told from nothing; and nobody trims what was not trimmed in M3.
    private static bool NeedsQuotes(string? text) => text is not null
        && (text == "" || text.AsSpan().ContainsAny(Special) || char.IsWhiteSpace(text[0]) || char.IsWhiteSpace(text[^1]));
}
