// The certified OpenID provider "oidc-provider" as an issuer for M3: client credentials, JWT access tokens for M3's audience, signed
// RS256 or ES256 as the resource asked for says; for each public key in the variable CLIENT_JWKS a client m3-key-ALG that proves itself by
// private_key_jwt; and a public native client whose refresh tokens rotate, the use of an old one ending the
// sign-in. Access tokens last for ACCESS_TOKEN_LIFETIME seconds, or ten minutes. Its own pages for developers take any
// name and password; and without a browser /test/sign-in gives a refresh token, /test/device?user_code=...&say=yes answers a device code, and
// /test/counts tells how often the token endpoint was asked, and with what outcome. Prints its issuer on one line, and serves until its standard input ends.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const jwk = (type, options, extra) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), use: 'sig', ...extra });

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'm3-client',
      client_secret: 'made-up-secret',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    }, {
      client_id: 'm3-native',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      redirect_uris: ['http://127.0.0.1/callback'],
      response_types: ['code'],
    }, ...JSON.parse(process.env.CLIENT_JWKS ?? '[]').map((key) => ({
      client_id: `m3-key-${key.alg}`,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: key.alg,
      jwks: { keys: [key] },
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    }))],
    enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256'] },
    jwks: {
      keys: [
        jwk('rsa', { modulusLength: 2048 }, { alg: 'RS256', kid: 'rsa' }),
        jwk('ec', { namedCurve: 'P-256' }, { alg: 'ES256', kid: 'ec' }),
      ],
    },
    scopes: ['openid', 'offline_access', 'read:mimic-data'],
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    rotateRefreshToken: true,
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => ({
          scope: 'read:mimic-data',
          audience: 'm3-api',
          accessTokenFormat: 'jwt',
          accessTokenTTL: Number(process.env.ACCESS_TOKEN_LIFETIME ?? 600),
          jwt: { sign: { alg: resource.endsWith('es256') ? 'ES256' : 'RS256' } },
        }),
      },
    },
  });

  const resource = 'https://m3.example/rs256';
  const scope = 'openid offline_access read:mimic-data';
  const counts = {};
  const count = (ctx, outcome) => {
    const name = `${ctx.oidc.params?.grant_type ?? 'unknown'} ${outcome}`;
    counts[name] = (counts[name] ?? 0) + 1;
  };
  provider.on('grant.success', (ctx) => count(ctx, 'granted'));
  provider.on('grant.error', (ctx, error) => count(ctx, error.error));
  provider.on('grant.revoked', () => { counts.revoked = (counts.revoked ?? 0) + 1; });

  const consent = () => {
    const grant = new provider.Grant({ accountId: 'researcher', clientId: 'm3-native' });
    grant.addOIDCScope('openid offline_access');
    grant.addResourceScope(resource, 'read:mimic-data');
    return grant.save();
  };
  const tests = {
    '/test/counts': () => counts,
    '/test/sign-in': async () => {
      const client = await provider.Client.find('m3-native');
      const token = new provider.RefreshToken({
        accountId: 'researcher', client, grantId: await consent(), scope, resource, gty: 'authorization_code', rotations: 0,
      });
      return { refresh_token: await token.save() };
    },
    '/test/device': async (query) => {
      const code = await provider.DeviceCode.findByUserCode(query.get('user_code').replaceAll('-', ''));
      if (query.get('say') === 'yes')
        Object.assign(code, { accountId: 'researcher', grantId: await consent(), scope, resource, authTime: Math.floor(Date.now() / 1000) });
      else
        Object.assign(code, { error: 'access_denied', errorDescription: 'the person said no' });
      await code.save();
      return {};
    },
  };
  const serve = provider.callback();
  server.on('request', async (request, response) => {
    const url = new URL(request.url, issuer);
    if (!tests[url.pathname])
      return serve(request, response);
    response.setHeader('content-type', 'application/json');
    return response.end(JSON.stringify(await tests[url.pathname](url.searchParams)));
  });
  console.log(issuer);
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
