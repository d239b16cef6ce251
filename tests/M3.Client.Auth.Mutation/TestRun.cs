using System.Reflection;
using NUnit.Framework.Api;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace M3.Client.Auth.Mutation;

/// <summary>The unit tests within this process, one after the other, as often as wanted: no mutant pays for a start.</summary>
internal sealed class TestRun
{
    private readonly NUnitTestAssemblyRunner _runner = new(new DefaultTestAssemblyBuilder());
    private readonly Dictionary<string, ITest> _tests = [];

    /// <param name="stopsAtFailure">Whether a run ends at the first test that fails.</param>
    public TestRun(bool stopsAtFailure)
    {
        Add(_runner.Load(Assembly.Load("M3.Client.Auth.Tests"), new Dictionary<string, object>
        {
            ["NumberOfTestWorkers"] = 0,
            ["StopOnError"] = stopsAtFailure,
        }));
    }

    /// <summary>The tests' full names, without those of many rounds, which would make every mutant wait.</summary>
    public IEnumerable<string> Names => _tests.Where(test => !IsLong(test.Value)).Select(test => test.Key);

    /// <summary>Runs tests by their names.</summary>
    /// <param name="onEnd">Called after each, with its outcome and its time.</param>
    /// <returns>Whether they ended in time.</returns>
    public bool Run(IEnumerable<string> names, TimeSpan atMost, Action<string, bool, TimeSpan> onEnd)
    {
        HashSet<string> ids = [];
        foreach (string name in names)
        {
            for (ITest? test = _tests[name]; test is not null; test = test.Parent)
                ids.Add(test.Id);
        }

        _runner.RunAsync(new Listener(onEnd), new Chosen(ids));
        return _runner.WaitForCompletion((int)atMost.TotalMilliseconds);
    }

    private static bool IsLong(ITest test)
    {
        for (ITest? one = test; one is not null; one = one.Parent)
        {
            if (one.Properties["Category"].Contains("ManyRounds"))
                return true;
        }

        return false;
    }

    private void Add(ITest test)
    {
        if (!test.IsSuite)
            _tests.TryAdd(test.FullName, test);
        foreach (ITest child in test.Tests)
            Add(child);
    }

    private sealed class Listener(Action<string, bool, TimeSpan> onEnd) : ITestListener
    {
        public void TestStarted(ITest test)
        {
        }

        public void TestFinished(ITestResult result)
        {
            // A fixture that cannot be set up fails as a suite, and its tests with it.
            if (!result.Test.IsSuite)
                onEnd(result.Test.FullName, result.ResultState.Status != TestStatus.Failed, TimeSpan.FromSeconds(result.Duration));
        }

        public void TestOutput(TestOutput output)
        {
        }

        public void SendMessage(TestMessage message)
        {
        }
    }

    private sealed class Chosen(HashSet<string> ids) : TestFilter
    {
        public override bool Pass(ITest test, bool negated) => ids.Contains(test.Id);

        public override bool Match(ITest test) => ids.Contains(test.Id);

        public override TNode AddToXml(TNode parentNode, bool recursive) => parentNode.AddElement("chosen");
    }
}
