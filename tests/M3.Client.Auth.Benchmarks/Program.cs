using BenchmarkDotNet.Running;
using M3.Client.Auth.Benchmarks;

switch (args.FirstOrDefault())
{
    case "http":
        await HttpLoad.RunAsync();
        break;
    case "serve":
        await HttpLoad.ServeAsync();
        break;
    default:
        BenchmarkSwitcher.FromAssembly(typeof(HotPath).Assembly).Run(args);
        break;
}
