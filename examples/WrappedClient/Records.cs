namespace WrappedClient;

public sealed record IcuStay(int SubjectId, int HadmId, int StayId, string FirstCareUnit, DateTime InTime, DateTime OutTime, double LengthOfStay);

public sealed record RaceCount(string Race, int Count);
