// What npm's official MCP SDK (requireBearerAuth) answers with jose behind it, as it goes over the wire: one line of JSON for each way in
// which a token can be wrong. "error" is the M3AuthError that the words name; Rejected, where they name none.
//   node capture.js > typescript.jsonl
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import express from 'express';
import { CompactSign, SignJWT, base64url, createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose';

const version = name => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
const from = `@modelcontextprotocol/sdk ${version('@modelcontextprotocol/sdk')}, jose ${version('jose')}`;

const issuer = 'https://issuer.example/';
const audience = 'm3-api';
const metadata = 'https://m3.example/.well-known/oauth-protected-resource/sse';
const now = Math.floor(Date.now() / 1000);

const rsa = await generateKeyPair('RS256');
const other = await generateKeyPair('RS256');
const jwk = async (kid, pair) => ({ ...await exportJWK(pair.publicKey), kid, alg: 'RS256', use: 'sig' });
const keys = { keys: [await jwk('one', rsa), await jwk('two', other)] };

const claims = { iss: issuer, aud: audience, sub: 'somebody', scope: 'read:mimic-data', iat: now, exp: now + 600 };
const sign = (changes = {}, header = {}, key = rsa.privateKey) => {
  const payload = Object.fromEntries(Object.entries({ ...claims, ...changes }).filter(([, value]) => value !== null));
  return new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid: 'one', ...header }).sign(key);
};
const signText = payload => new CompactSign(new TextEncoder().encode(payload)).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(rsa.privateKey);
const raw = (header, payload) => `${base64url.encode(header)}.${base64url.encode(payload)}.AAAA`;
const good = await sign();

const jwksServer = createServer((request, response) => {
  if (request.url === '/hangs')
    return;
  response.statusCode = request.url === '/down' ? 503 : 200;
  response.end(request.url === '/html' ? '<html>' : request.url === '/malformed' ? '{}' : JSON.stringify(keys));
});
await new Promise(resolve => jwksServer.listen(0, '127.0.0.1', resolve));
const jwks = path => createRemoteJWKSet(new URL(`http://127.0.0.1:${jwksServer.address().port}${path}`), { timeoutDuration: path === '/hangs' ? 200 : 60_000 });

const verifyWith = (keySet, options) => ({
  verifyAccessToken: async token => {
    try {
      const { payload } = await jwtVerify(token, keySet, { issuer, audience, algorithms: ['RS256', 'ES256'], ...options });
      return { token, clientId: 'somebody', scopes: payload.scope?.split(' ') ?? [], expiresAt: payload.exp };
    } catch (e) {
      throw new InvalidTokenError(e.message);
    }
  },
});

const app = express();
const serve = (path, verifier, more) => app.get(path, requireBearerAuth(
  { verifier, requiredScopes: ['read:mimic-data'], resourceMetadataUrl: metadata, ...more }), (_, response) => response.send('rows'));
serve('/', verifyWith(jwks('/'), {}));
serve('/bare', verifyWith(jwks('/'), {}), { requiredScopes: [], resourceMetadataUrl: undefined });
serve('/requires', verifyWith(jwks('/'), { requiredClaims: ['exp', 'iss', 'aud'] }));
serve('/age', verifyWith(jwks('/'), { maxTokenAge: '1h' }));
serve('/typ', verifyWith(jwks('/'), { typ: 'at+jwt' }));
serve('/resource', verifyWith(jwks('/'), {}), { expectedResource: 'https://m3.example/sse' });
serve('/lenient', { verifyAccessToken: async token => ({ token, clientId: 'x', scopes: ['read:mimic-data'], expiresAt: now - 60 }) });
for (const path of ['/down', '/html', '/malformed', '/hangs'])
  serve(path, verifyWith(jwks(path), {}));
const server = app.listen(0, '127.0.0.1');
await new Promise(resolve => server.on('listening', resolve));

const cases = [
  ['no header', 'Rejected', '/', undefined],
  ['another scheme', 'Rejected', '/', 'Basic eDp5'],
  ['no JWT', 'InvalidTokenFormat', '/', 'Bearer opaque'],
  ['a header that is no JSON', 'InvalidTokenFormat', '/', `Bearer ${raw('no', '{}')}`],
  ['a payload that is no object', 'InvalidTokenFormat', '/', `Bearer ${await signText('[]')}`],
  ['exp passed', 'TokenExpired', '/', `Bearer ${await sign({ exp: now - 60 })}`],
  ['exp passed, without scope and metadata', 'TokenExpired', '/bare', `Bearer ${await sign({ exp: now - 60 })}`],
  ['exp passed by the SDK itself', 'TokenExpired', '/lenient', `Bearer ${good}`],
  ['no exp', 'TokenExpired', '/', `Bearer ${await sign({ exp: null })}`],
  ['no exp, where it is required', 'TokenExpired', '/requires', `Bearer ${await sign({ exp: null })}`],
  ['exp is a string', 'TokenExpired', '/', `Bearer ${await signText(JSON.stringify({ ...claims, exp: 'soon' }))}`],
  ['nbf in the future', 'TokenNotYetValid', '/', `Bearer ${await sign({ nbf: now + 600 })}`],
  ['nbf is a string', 'TokenNotYetValid', '/', `Bearer ${await signText(JSON.stringify({ ...claims, nbf: 'now' }))}`],
  ['iat in the future', 'TokenNotYetValid', '/age', `Bearer ${await sign({ iat: now + 600 })}`],
  ['iat too long ago', 'TokenExpired', '/age', `Bearer ${await sign({ iat: now - 7200 })}`],
  ['iat is a string', 'TokenNotYetValid', '/age', `Bearer ${await signText(JSON.stringify({ ...claims, iat: 'now' }))}`],
  ['another issuer', 'InvalidIssuer', '/', `Bearer ${await sign({ iss: 'https://other.example/' })}`],
  ['no issuer', 'InvalidIssuer', '/requires', `Bearer ${await sign({ iss: null })}`],
  ['another audience', 'InvalidAudience', '/', `Bearer ${await sign({ aud: 'other' })}`],
  ['no audience', 'InvalidAudience', '/requires', `Bearer ${await sign({ aud: null })}`],
  ['another resource', 'InvalidAudience', '/resource', `Bearer ${good}`],
  ['a kid that nobody has', 'InvalidTokenSignature', '/', `Bearer ${await sign({}, { kid: 'zz' })}`],
  ['no kid, and two keys', 'InvalidTokenSignature', '/', `Bearer ${await sign({}, { kid: undefined })}`],
  ['another key', 'InvalidTokenSignature', '/', `Bearer ${await sign({}, {}, other.privateKey)}`],
  ['HS256', 'InvalidTokenSignature', '/', `Bearer ${await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new Uint8Array(32))}`],
  ['crit', 'InvalidTokenSignature', '/', `Bearer ${raw('{"alg":"RS256","kid":"one","crit":["x"],"x":1}', '{}')}`],
  ['another typ', 'Rejected', '/typ', `Bearer ${await sign({}, { typ: 'JWT' })}`],
  ['the keys are down', 'JwksUnavailable', '/down', `Bearer ${good}`],
  ['the keys are HTML', 'JwksUnavailable', '/html', `Bearer ${good}`],
  ['the keys are malformed', 'JwksUnavailable', '/malformed', `Bearer ${good}`],
  ['the keys hang', 'Rejected', '/hangs', `Bearer ${good}`],
  ['no scope', 'MissingScopes', '/', `Bearer ${await sign({ scope: 'openid' })}`],
];

for (const [name, error, path, authorization] of cases) {
  const answer = await fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers: authorization ? { authorization } : {} });
  const { error_description: description } = await answer.json();
  console.log(JSON.stringify({ from, case: name, error, status: answer.status, description, challenge: answer.headers.get('www-authenticate') }));
}

process.exit(0);
