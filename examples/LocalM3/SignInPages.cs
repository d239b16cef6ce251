using System.Collections.Immutable;
using Microsoft.AspNetCore;
using Microsoft.Net.Http.Headers;
using OpenIddict.Abstractions;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace LocalM3;

/// <summary>The pages on which a person allows or denies a client: at the authorization endpoint, and for a device.</summary>
internal sealed class SignInPages(Uri address, SignIns signIns, Grants grants)
{
    private const string Decision = "decision";
    private const string Person = "person";

    // What a form of ours adds to the authorization request that it carries.
    private static readonly string[] Added = [Decision, Person];
    private static readonly string[] Methods = [HttpMethods.Get, HttpMethods.Post];
    private static readonly string[] Schemes = [OpenIddictServerAspNetCoreDefaults.AuthenticationScheme];

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/" + Issuer.AuthorizationPath, Methods, Authorize);
        routes.MapMethods("/" + Issuer.VerificationPath, Methods, Device);
    }

    private IResult Authorize(HttpContext http)
    {
        OpenIddictRequest request = http.GetOpenIddictServerRequest()!;
        string[] audiences = grants.Audiences(request, isPerson: true);
        if (!TryReadDecision(http, out string? person))
        {
            return Html.Page(
                "Sign in",
                Html.Facts(("Client", request.ClientId!), ("Wants", Scopes(request.GetScopes())), ("For", string.Join(' ', audiences)), ("Goes back to", request.RedirectUri!)),
                Html.DecisionForm("/" + Issuer.AuthorizationPath, Fields(request)));
        }

        return person is null
            ? Results.Forbid(authenticationSchemes: Schemes)
            : Results.SignIn(grants.ForPerson(person, request.GetScopes(), audiences), authenticationScheme: Schemes[0]);
    }

    private IResult Device(HttpContext http)
    {
        string? userCode = http.GetOpenIddictServerRequest()?.UserCode;
        if (userCode is null)
            return Html.Page("Sign in a device", Html.CodeForm("/" + Issuer.VerificationPath));

        if (TryReadDecision(http, out string? person) && signIns.TryDecide(userCode, person))
        {
            return person is null
                ? Html.Page("Denied", "<p>The device gets no token. You can close this page.</p>")
                : Html.Page("Done", $"<p>The device is signed in as {Html.Encode(person)}. You can close this page and go back to it.</p>");
        }

        return signIns.FindWaiting(userCode) is { } device
            ? Html.Page(
                "Sign in a device",
                Html.Facts(("Code", device.UserCode), ("Client", Issuer.PublicClientId), ("Wants", Scopes(device.Scopes)), ("For", string.Join(' ', device.Audiences))),
                "<p>Allow it only if your device shows this code.</p>",
                Html.DecisionForm("/" + Issuer.VerificationPath, [new(Parameters.UserCode, device.UserCode)]))
            : Html.Page(
                "Sign in a device",
                "<p role=\"alert\">No device waits with this code: it is mistyped, was used, or has expired.</p>",
                Html.CodeForm("/" + Issuer.VerificationPath));
    }

    /// <summary>What the person chose; null: to deny.</summary>
    private bool TryReadDecision(HttpContext http, out string? person)
    {
        person = null;
        // A browser says on each POST whose page it is from, port and all, so no other page can press the button (a cookie would not know
        // one port of this machine from another).
        if (!HttpMethods.IsPost(http.Request.Method) || http.Request.Headers[HeaderNames.Origin] != address.GetLeftPart(UriPartial.Authority))
            return false;

        IFormCollection form = http.Request.Form;
        string chosen = form[Person].ToString();
        if (form[Decision] == "allow" && SignIns.People.Contains(chosen))
            person = chosen;
        return person is not null || form[Decision] == "deny";
    }

    private static string Scopes(IReadOnlyCollection<string> scopes) => scopes is { Count: 0 } ? "no scope" : string.Join(' ', scopes);

    private static IEnumerable<KeyValuePair<string, string>> Fields(OpenIddictRequest request) =>
        from parameter in request.GetParameters()
        where !Added.Contains(parameter.Key)
        from value in (ImmutableArray<string?>?)parameter.Value ?? []
        where value is not null
        select KeyValuePair.Create(parameter.Key, value);
}
