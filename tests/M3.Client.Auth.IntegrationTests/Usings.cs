global using LocalM3;
global using M3.Client.Auth.IntegrationTests.Support;
global using NUnit.Framework;

// Each fixture has servers of its own.
[assembly: Parallelizable(ParallelScope.Fixtures)]
