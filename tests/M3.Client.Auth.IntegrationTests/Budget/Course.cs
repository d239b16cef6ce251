namespace M3.Client.Auth.IntegrationTests.Budget;

/// <summary>How a call's answer goes back.</summary>
internal enum AnswerKind
{
    /// <summary><c>application/json</c>: nothing of it is sent before the tool has ended.</summary>
    Json,

    /// <summary><c>text/event-stream</c>: the headers go first.</summary>
    EventStream,

    /// <summary>Legacy SSE: 202 at once, and the answer on the stream that a GET opened.</summary>
    Accepted,
}

/// <summary>What happens to one call on its way to its tool and back.</summary>
internal sealed record Course
{
    public static readonly Course Straight = new();

    public AnswerKind Answer { get; init; }

    /// <summary>From its receipt until the tool begins; where the headers go first, until they do. A client that gives up does not call it back.</summary>
    public TimeSpan Transit { get; init; }

    /// <summary>From the headers until the tool begins; where they go first.</summary>
    public TimeSpan AfterHeaders { get; init; }

    /// <summary>How long the tool runs once M3 has admitted the call.</summary>
    public TimeSpan Work { get; init; }

    /// <summary>The tool begins, and never ends: until the client gives up.</summary>
    public bool Hangs { get; init; }

    /// <summary>The event stream stays open after its answer: until the client ends it.</summary>
    public bool StaysOpen { get; init; }

    /// <summary>A gateway in front of M3 refuses the call with this status, and its tool never begins.</summary>
    public int? RefusedWith { get; init; }

    /// <summary>Draws each call's course by its number: the same ones for the same seed, in whatever order they arrive.</summary>
    public static Func<int, Course> Seeded(int seed, Func<Random, Course> draw)
    {
        var random = new Random(seed);
        var drawn = new List<Course>();
        return id =>
        {
            lock (drawn)
            {
                while (drawn.Count <= id)
                    drawn.Add(draw(random));
                return drawn[id];
            }
        };
    }
}
