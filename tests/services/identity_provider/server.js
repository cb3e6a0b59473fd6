// An identity provider for the tests: oidc-provider (OpenID certified) with accounts, groups and MFA claims.
// What no real provider offers is under /test/: rotate the keys, go away, come back.
import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import { Provider } from 'oidc-provider';

const AUDIENCE = 'keepstone';
const ACCOUNTS = {
  ada: { groups: ['engineers', 'everybody'], name: 'Ada' },
  bob: { groups: ['everybody'], name: 'Bob' },
};
const server = http.createServer();
await new Promise((ready) => server.listen(Number(process.env.PORT || 0), '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
const redirects = process.env.REDIRECTS ? process.env.REDIRECTS.split(',') : ['https://127.0.0.1:1/session/callback'];

let generation = 0;
let away = false;
let provider;
const strength = {}; // account -> {amr, acr}, as the login form said

function jwk(type, options, alg) {
  const key = generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' });
  return { ...key, alg, use: 'sig', kid: `${alg}-${generation}` };
}

function rotate() {
  generation += 1;
  provider = new Provider(issuer, configuration());
  provider.proxy = true;
}

function configuration() {
  const secret = { client_secret: 'not-a-secret', redirect_uris: [], response_types: [], scope: 'openid call' };
  const machine = { ...secret, grant_types: ['client_credentials'], token_endpoint_auth_method: 'client_secret_basic' };
  return {
    clients: [
      { ...machine, client_id: 'batch' },
      { ...machine, client_id: 'stranger' },
      { ...machine, client_id: 'bound', tls_client_certificate_bound_access_tokens: true },
      { client_id: 'console', client_secret: 'not-a-secret', redirect_uris: redirects, grant_types: ['authorization_code'], require_auth_time: true },
      { client_id: 'public-console', token_endpoint_auth_method: 'none', redirect_uris: redirects, grant_types: ['authorization_code'], require_auth_time: true },
    ],
    jwks: { keys: [jwk('rsa', { modulusLength: 2048 }, 'RS256'), jwk('ec', { namedCurve: 'P-256' }, 'ES256')] },
    cookies: { keys: ['only', 'for', 'tests'] },
    claims: { openid: ['sub', 'acr', 'amr'], profile: ['name', 'groups'], auth_time: null },
    conformIdTokenClaims: false,
    scopes: ['openid', 'call'],
    acrValues: ['gold', 'bronze'],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: (ctx) => {
          const pem = ctx.get('x-test-client-certificate');
          return pem ? new X509Certificate(Buffer.from(pem, 'base64')) : undefined;
        },
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => `urn:${AUDIENCE}`,
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource) => ({
          scope: 'call',
          audience: resource.replace('urn:', ''),
          accessTokenFormat: 'jwt',
          accessTokenTTL: Number(ctx.get('x-test-lifetime') || 300),
          jwt: { sign: { alg: ctx.get('x-test-algorithm') || 'RS256' } },
        }),
      },
    },
    extraTokenClaims: (ctx, token) => {
      const claims = JSON.parse(ctx.get('x-test-claims') || '{}');
      const account = token.accountId && ACCOUNTS[token.accountId];
      return { ...(account ? { groups: account.groups, ...strength[token.accountId] } : { groups: ['machines'] }), ...claims };
    },
    findAccount: (ctx, id) => ACCOUNTS[id] && { accountId: id, claims: () => ({ sub: id, ...ACCOUNTS[id], ...strength[id] }) },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    ttl: { Session: 3600, Grant: 3600, Interaction: 600, IdToken: 300 },
    renderError: (ctx, out) => { ctx.type = 'json'; ctx.body = out; },
  };
}

async function form(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return Object.fromEntries(new URLSearchParams(body));
}

// What a login page does: who, and by which factors; then consent to what was asked.
async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (request.method === 'GET') {
    response.setHeader('content-type', 'text/html');
    response.end(`<form method="post"><p>${prompt.name}</p><input name="login"><input name="amr"><button>Go on</button></form>`);
    return;
  }
  const given = await form(request);
  if (prompt.name === 'login') {
    const amr = (given.amr || 'pwd').split(' ');
    strength[given.login] = { amr, acr: amr.includes('otp') ? 'gold' : 'bronze', auth_time: Math.floor(Date.now() / 1000) };
    const login = { accountId: given.login, amr, acr: strength[given.login].acr };
    await provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
    return;
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope('openid profile');
  grant.addResourceScope(`urn:${AUDIENCE}`, 'call');
  await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

rotate();
server.on('request', async (request, response) => {
  try {
    if (request.url === '/test/rotate') { rotate(); response.end('ok'); return; }
    if (request.url === '/test/away') { away = true; response.end('ok'); return; }
    if (request.url === '/test/back') { away = false; response.end('ok'); return; }
    if (away) { response.statusCode = 503; response.end('away'); return; }
    if (request.url.startsWith('/interaction/')) { await interact(request, response); return; }
    provider.callback()(request, response);
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error));
  }
});
console.log(`issuer ${issuer}`);
process.stdin.on('end', () => process.exit(0)).resume(); // ends with whoever started it
