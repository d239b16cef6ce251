namespace M3.Client.Auth.IntegrationTests.Budget;

public sealed class CourseTests
{
    [Test]
    public void The_same_seed_draws_the_same_courses_in_whatever_order_they_arrive()
    {
        static Course Draw(Random random) => new() { Transit = TimeSpan.FromTicks(random.NextInt64(1000)) };
        Func<int, Course> first = Course.Seeded(7, Draw);
        Func<int, Course> second = Course.Seeded(7, Draw);

        Course[] forwards = [.. Enumerable.Range(0, 20).Select(first)];
        Course[] backwards = [.. Enumerable.Range(0, 20).Reverse().Select(second).Reverse()];

        Assert.That(backwards, Is.EqualTo(forwards));
        Assert.That(forwards.Distinct().Count(), Is.GreaterThan(1));
    }
}
