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
    case "contention":
        await Contention.RunAsync();
        break;
    case "fleet":
        await FleetSimulation.RunAsync();
        break;
    case "guard":
        return await Guard.RunAsync();
    default:
        BenchmarkSwitcher.FromAssembly(typeof(HotPath).Assembly).Run(args);
        break;
}

return 0;
