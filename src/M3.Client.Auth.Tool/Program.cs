using M3.Client.Auth.Tool;

// A token may hold any character, and tables are drawn with lines.
Console.OutputEncoding = System.Text.Encoding.UTF8;
return await ToolCommandLine.RunAsync(args);
