using System.Diagnostics;
using System.Globalization;
using System.Runtime.Versioning;
using System.Text.Json;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>What <c>m3-token login</c> keeps, and who can read it.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SignInStoreTests
{
    private const UnixFileMode FileMode600 = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode DirectoryMode700 = FileMode600 | UnixFileMode.UserExecute;

    [Test]
    public void What_was_saved_is_found_as_it_was()
    {
        using var place = new SignInPlace();
        SignIn signIn = SignInPlace.NewSignIn() with { Resource = "https://m3.test/sse", OnlyFor = new Uri("https://m3.test"), Subject = "researcher" };

        place.Store.Save(signIn);

        SignIn found = place.Store.Find(signIn.IssuerUrl, signIn.Audience, signIn.ClientId)!;
        Assert.That(found with { Scopes = signIn.Scopes }, Is.EqualTo(signIn));
        Assert.That(found.Scopes, Is.EqualTo(signIn.Scopes));
        Assert.That(new SignInStore(place.Path).All(), Has.Count.EqualTo(1));
    }

    [Test]
    public void Without_a_client_id_the_newest_sign_in_counts()
    {
        using var place = new SignInPlace();
        SignIn older = SignInPlace.NewSignIn();
        SignIn newer = older with { ClientId = "another", SignedInAt = older.SignedInAt.AddDays(1) };
        place.Store.Save(newer);
        place.Store.Save(older);
        place.Store.Save(newer with { Audience = "others", SignedInAt = older.SignedInAt.AddDays(2) });

        Assert.That(place.Store.Find(older.IssuerUrl, older.Audience, clientId: null)!.ClientId, Is.EqualTo("another"));
        Assert.That(place.Store.Find(older.IssuerUrl, older.Audience, older.ClientId)!.ClientId, Is.EqualTo(older.ClientId));
        Assert.That(place.Store.Find(older.IssuerUrl + "/", older.Audience, clientId: null), Is.Null);
    }

    [Test]
    public void Where_nobody_has_signed_in_there_is_nothing_and_nothing_is_made()
    {
        using var place = new SignInPlace();

        Assert.That(place.Store.All(), Is.Empty);
        Assert.That(place.Store.Find("https://issuer.test", "m3-api", "m3-cli"), Is.Null);
        Assert.That(place.Store.Remove(SignInPlace.NewSignIn()), Is.False);
        Assert.That(Directory.Exists(place.Path), Is.False);
    }

    [Test]
    public void What_was_removed_is_gone_with_what_a_killed_writer_left_of_it()
    {
        using var place = new SignInPlace();
        SignIn signIn = SignInPlace.NewSignIn();
        place.Store.Save(signIn);
        File.WriteAllText(place.File + ".0123.tmp", "half of it");

        Assert.That(place.Store.Remove(signIn), Is.True);
        Assert.That(Directory.GetFiles(place.Path), Is.Empty);
    }

    [Test]
    public void The_next_save_clears_away_what_a_killed_writer_left()
    {
        using var place = new SignInPlace();
        place.Store.Save(SignInPlace.NewSignIn());
        string left = place.File + ".0123.tmp";
        File.WriteAllText(left, "half of it");
        File.SetLastWriteTimeUtc(left, DateTime.UtcNow.AddMinutes(-2));

        place.Store.Save(SignInPlace.NewSignIn());

        Assert.That(Directory.GetFiles(place.Path), Is.EqualTo([place.File]));
    }

    [Test]
    public void Nothing_that_shows_a_sign_in_shows_its_tokens()
    {
        SignIn signIn = SignInPlace.NewSignIn();

        string all = string.Format(CultureInfo.InvariantCulture, "{0} {1}", signIn, JsonSerializer.Serialize(signIn));

        Assert.That(all, Does.Contain("m3-cli").And.Not.Contain(signIn.RefreshToken!).And.Not.Contain(signIn.AccessToken!));
    }

    [Test]
    [UnsupportedOSPlatform("windows")]
    public void Nobody_else_can_read_it_from_the_first_instant_on()
    {
        using var place = new SignInPlace(Path.Combine("not", "there", "yet"));
        using var watcher = new ModeWatcher(place.Root);
        place.Store.Save(SignInPlace.NewSignIn());
        for (int i = 0; i < 200; i++)
            place.Store.Save(SignInPlace.NewSignIn());

        Assert.That(File.GetUnixFileMode(place.Path), Is.EqualTo(DirectoryMode700));
        Assert.That(File.GetUnixFileMode(Path.GetDirectoryName(place.Path)!), Is.EqualTo(DirectoryMode700));
        Assert.That(File.GetUnixFileMode(place.File), Is.EqualTo(FileMode600));
        Assert.That(watcher.End(), Is.Empty);
    }

    [Test]
    [UnsupportedOSPlatform("windows")]
    public async Task The_lock_is_nobody_else_s_either()
    {
        using var place = new SignInPlace();
        SignIn signIn = SignInPlace.NewSignIn();
        using (await place.Store.LockAsync(signIn, CancellationToken.None))
        {
        }

        Assert.That(Directory.GetFiles(place.Path).Select(File.GetUnixFileMode), Is.EqualTo([FileMode600]));
    }

    [TestCase(DirectoryMode700 | UnixFileMode.GroupRead, "740")]
    [TestCase(DirectoryMode700 | UnixFileMode.GroupWrite, "720")]
    [TestCase(DirectoryMode700 | UnixFileMode.OtherRead, "704")]
    [TestCase(DirectoryMode700 | UnixFileMode.OtherExecute, "701")]
    [UnsupportedOSPlatform("windows")]
    public void A_directory_that_others_can_use_is_refused(UnixFileMode mode, string shown)
    {
        using var place = new SignInPlace();
        SignIn signIn = SignInPlace.NewSignIn();
        place.Store.Save(signIn);
        File.SetUnixFileMode(place.Path, mode);

        Action[] ways = [() => place.Store.All(), () => place.Store.Find(signIn.IssuerUrl, signIn.Audience, signIn.ClientId), () => place.Store.Save(signIn), () => place.Store.Remove(signIn)];

        foreach (Action way in ways)
            Assert.That(way, Throws.TypeOf<SignInStoreException>().With.Message.Contains($"has the mode {shown}").And.Message.EndsWith($"chmod 700 '{place.Path}'"));
        Assert.That(() => place.Store.LockAsync(signIn, CancellationToken.None), Throws.TypeOf<SignInStoreException>());
    }

    [TestCase(FileMode600 | UnixFileMode.GroupRead, "640")]
    [TestCase(FileMode600 | UnixFileMode.OtherWrite, "602")]
    [UnsupportedOSPlatform("windows")]
    public void A_file_that_others_can_use_is_refused(UnixFileMode mode, string shown)
    {
        using var place = new SignInPlace();
        SignIn signIn = SignInPlace.NewSignIn();
        place.Store.Save(signIn);
        File.SetUnixFileMode(place.File, mode);

        Assert.That(() => place.Store.Find(signIn.IssuerUrl, signIn.Audience, signIn.ClientId), Throws.TypeOf<SignInStoreException>()
            .With.Message.Contains($"{place.File} has the mode {shown}").And.Message.EndsWith($"chmod 600 '{place.File}'"));
        Assert.That(() => place.Store.Find(signIn.IssuerUrl, signIn.Audience, clientId: null), Throws.TypeOf<SignInStoreException>());
    }

    [Test]
    [SupportedOSPlatform("linux")]
    public void Another_user_s_are_refused()
    {
        if (!Environment.IsPrivilegedProcess)
            Assert.Ignore("only root can give a file to somebody else");
        using var place = new SignInPlace();
        SignIn signIn = SignInPlace.NewSignIn();
        place.Store.Save(signIn);
        Run("chown", "65534", place.File);
        Assert.That(() => place.Store.All(), Throws.TypeOf<SignInStoreException>().With.Message.Contains($"{place.File} belongs to another user"));

        Run("chown", "0", place.File);
        Assert.That(place.Store.All(), Has.Count.EqualTo(1));
        Run("chown", "65534", place.Path);
        Assert.That(() => place.Store.All(), Throws.TypeOf<SignInStoreException>().With.Message.Contains($"{place.Path} belongs to another user"));
    }

    [Test]
    [UnsupportedOSPlatform("windows")]
    public void The_directory_may_be_a_link_and_what_it_leads_to_is_judged()
    {
        using var place = new SignInPlace();
        place.Store.Save(SignInPlace.NewSignIn());
        string link = Path.Combine(place.Root, "link");
        Directory.CreateSymbolicLink(link, place.Path);
        var store = new SignInStore(link);

        Assert.That(store.All(), Has.Count.EqualTo(1));
        File.SetUnixFileMode(place.Path, DirectoryMode700 | UnixFileMode.OtherRead);
        Assert.That(() => store.All(), Throws.TypeOf<SignInStoreException>());
    }

    [Test]
    [UnsupportedOSPlatform("windows")]
    public void A_file_may_be_no_link()
    {
        using var place = new SignInPlace();
        place.Store.Save(SignInPlace.NewSignIn());
        string elsewhere = Path.Combine(place.Root, "elsewhere");
        string file = place.File;
        File.Move(file, elsewhere);
        File.CreateSymbolicLink(file, elsewhere);

        Assert.That(() => place.Store.All(), Throws.TypeOf<SignInStoreException>().With.Message.Contains("is a symbolic link"));
    }

    [TestCase("")]
    [TestCase("{")]
    [TestCase("[]")]
    [TestCase("{}")]
    [TestCase("""{"version":"1"}""")]
    [TestCase("""{"version":1,"issuer":"https://issuer.test","client_id":"m3-cli","audience":"m3-api"}""")]
    [TestCase("""{"version":1,"issuer":"https://issuer.test","client_id":"m3-cli","audience":"m3-api","signed_in_at":"yesterday"}""")]
    [TestCase("""{"version":1,"issuer":"https://issuer.test","client_id":"m3-cli","audience":"m3-api","signed_in_at":"2026-11-23T12:00:00.0000000+00:00","only_for":1}""")]
    [TestCase("""{"version":1,"issuer":"https://issuer.test","client_id":"m3-cli","audience":"m3-api","signed_in_at":"2026-11-23T12:00:00.0000000+00:00","only_for":"m3"}""")]
    [TestCase("""{"version":1,"refresh_token":"very-secret""")]
    public void A_damaged_file_says_to_sign_in_again_and_nothing_of_what_it_holds(string content)
    {
        using var place = new SignInPlace();
        place.Store.Save(SignInPlace.NewSignIn());
        File.WriteAllText(place.File, content);

        var error = Assert.Throws<SignInStoreException>(() => place.Store.All());

        Assert.That(error!.ToString(), Does.Contain("is damaged: sign in again (m3-token login)").And.Not.Contain("very-secret").And.Not.Contain("Json"));
    }

    [Test]
    public void Every_beginning_of_a_file_is_a_damaged_one()
    {
        using var place = new SignInPlace();
        place.Store.Save(SignInPlace.NewSignIn());
        byte[] whole = File.ReadAllBytes(place.File);
        for (int length = 0; length < whole.Length; length += 7)
        {
            File.WriteAllBytes(place.File, whole[..length]);
            Assert.That(() => place.Store.All(), Throws.TypeOf<SignInStoreException>().With.Message.Contains("is damaged").And.InnerException.Null);
        }
    }

    [Test]
    public void A_file_without_end_is_not_read()
    {
        using var place = new SignInPlace();
        place.Store.Save(SignInPlace.NewSignIn());
        File.WriteAllBytes(place.File, new byte[1024 * 1024]);

        Assert.That(() => place.Store.All(), Throws.TypeOf<SignInStoreException>().With.Message.Contains("is damaged"));
    }

    [Test]
    public void A_newer_format_says_so()
    {
        using var place = new SignInPlace();
        place.Store.Save(SignInPlace.NewSignIn());
        File.WriteAllText(place.File, """{"version":2,"everything":"else"}""");

        Assert.That(() => place.Store.All(), Throws.TypeOf<SignInStoreException>().With.Message.Contains("format 2, and this one knows 1").And.Message.Contains("update"));
    }

    [Test]
    public void A_damaged_file_of_another_sign_in_does_not_matter_where_one_fits()
    {
        using var place = new SignInPlace();
        place.Store.Save(SignInPlace.NewSignIn() with { Audience = "others" });
        File.WriteAllText(place.File, "{");
        SignIn signIn = SignInPlace.NewSignIn();
        place.Store.Save(signIn);

        Assert.That(place.Store.Find(signIn.IssuerUrl, signIn.Audience, clientId: null), Is.Not.Null);
        place.Store.Remove(signIn);
        Assert.That(() => place.Store.Find(signIn.IssuerUrl, signIn.Audience, clientId: null), Throws.TypeOf<SignInStoreException>());
    }

    [Test]
    [SupportedOSPlatform("linux")]
    public void A_full_disk_leaves_the_old_sign_in_whole()
    {
        using var place = new SignInPlace();
        if (!TryRun("mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", place.MakeDirectory()))
            Assert.Ignore("a small file system cannot be mounted here");
        try
        {
            SignIn signIn = SignInPlace.NewSignIn();
            place.Store.Save(signIn);
            string whole = File.ReadAllText(place.File);

            Assert.That(() => place.Store.Save(signIn with { RefreshToken = new string('r', 100_000) }), Throws.TypeOf<SignInStoreException>().With.Message.Contains("Is the disk full"));

            Assert.That(File.ReadAllText(place.File), Is.EqualTo(whole));
            Assert.That(Directory.GetFiles(place.Path), Is.EqualTo([place.File]), "and nothing half-written stays");
        }
        finally
        {
            Run("umount", place.Path);
        }
    }

    [Test]
    public void Readers_and_writers_at_once_see_whole_sign_ins_only()
    {
        using var place = new SignInPlace();
        place.Store.Save(SignInPlace.NewSignIn());

        Together.Run(4, thread =>
        {
            for (int i = 0; i < 100; i++)
            {
                if (thread < 2)
                    place.Store.Save(SignInPlace.NewSignIn() with { RefreshToken = new string((char)('a' + thread), 3000 * (thread + 1)) });
                else
                    Assert.That(place.Store.All(), Has.Count.EqualTo(1));
            }
        });
    }

    private static void Run(params string[] command) => Assert.That(TryRun(command), string.Join(' ', command));

    private static bool TryRun(params string[] command)
    {
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    /// <summary>Looks at whatever appears, as often as it can, for what others than its owner could use.</summary>
    private sealed class ModeWatcher : IDisposable
    {
        private readonly List<string> _open = [];
        private readonly Thread _thread;
        private bool _ended;

        public ModeWatcher(string root)
        {
            _thread = new Thread(() =>
            {
                while (!Volatile.Read(ref _ended))
                    Look(root);
            });
            _thread.Start();
        }

        public List<string> End()
        {
            Dispose();
            return _open;
        }

        public void Dispose()
        {
            Volatile.Write(ref _ended, true);
            _thread.Join();
        }

        private void Look(string root)
        {
            foreach (string path in Directory.EnumerateFileSystemEntries(root, "*", SearchOption.AllDirectories))
            {
                try
                {
                    if (!OperatingSystem.IsWindows() && File.GetUnixFileMode(path) is var mode && (mode & ~DirectoryMode700) != 0)
                        _open.Add($"{path}: {mode}");
                }
                catch (IOException)
                {
                    // It was replaced meanwhile.
                }
            }
        }
    }
}
