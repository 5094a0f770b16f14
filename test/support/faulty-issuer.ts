/**
 * An issuer that gives out what a real one cannot be made to: tokens without a signature, for somebody else, from the future; endpoints that hang,
 * redirect or never stop talking. Everything that a real one does well is tested against the embedded provider instead.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { exportJWK, SignJWT } from 'jose'
import type { Claims } from '#identity/claims.ts'
import type { IssuerSettings } from '#settings/settings.ts'
import { freePort } from './free-port.ts'
import { inTurn } from './in-turn.ts'

export interface SigningKey {
  readonly kid: string
  readonly alg: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** What to do otherwise than a good issuer would. */
export interface Faults {
  /** Of the ID token, from what a good issuer would say. */
  readonly claims?: (claims: Claims) => Claims
  /** How the ID token is made of its claims; `undefined`: there is none in the answer. */
  readonly sign?: (claims: Claims) => Promise<string | undefined>
  /** What is sent back through the browser. */
  readonly authorize?: (answer: URLSearchParams) => void
  /** Answers the token endpoint instead. */
  readonly token?: (form: URLSearchParams) => { readonly status: number; readonly body: object } | undefined
  /** What userinfo says; without it there is no such endpoint. */
  readonly userinfo?: Claims
  /** Changes of the discovery document. */
  readonly metadata?: object
  /** Takes over the whole answer to a path; `true`: it did. */
  readonly answer?: (path: string, response: ServerResponse) => boolean
  /** The published keys. */
  readonly keys?: readonly object[]
}

export interface FaultyIssuer extends AsyncDisposable {
  readonly url: string
  readonly key: SigningKey
  readonly clientId: string
  readonly settings: IssuerSettings
  /** Paths asked for so far. */
  readonly requests: readonly string[]
  faults: Faults
  /** Signs as a good issuer would. */
  sign(claims: Claims, key?: SigningKey, header?: object): Promise<string>
  /** What a good issuer would say about alice now. */
  goodClaims(more?: Claims): Claims
}

export function newSigningKey(alg = 'RS256'): SigningKey {
  return { kid: randomUUID(), alg, ...pairFor(alg) }
}

function pairFor(alg: string): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  if (alg.startsWith('ES')) return generateKeyPairSync('ec', { namedCurve: 'P-256' })
  if (alg.startsWith('Ed')) return generateKeyPairSync('ed25519')
  return generateKeyPairSync('rsa', { modulusLength: 2048 })
}

const keyOfIssuer = inTurn(() => newSigningKey())

/** As a key set publishes it. */
export async function publicJwk(key: SigningKey, more: object = {}): Promise<object> {
  return { ...(await exportJWK(key.publicKey)), kid: key.kid, alg: key.alg, use: 'sig', ...more }
}

export async function faultyIssuer(
  options: {
    readonly now?: () => number
    readonly port?: number
    /** What it goes by, where somebody else's address leads to it. */
    readonly url?: string
  } = {},
): Promise<FaultyIssuer> {
  const now = options.now ?? Date.now
  const port = options.port ?? (await freePort())
  const url = options.url ?? `http://issuer.localhost:${port}`
  const clientId = 'gatehouse'
  const key = { ...keyOfIssuer(), kid: randomUUID() }
  const requests: string[] = []
  /** What was asked for, by code. */
  const codes = new Map<string, URLSearchParams>()

  const issuer: FaultyIssuer = {
    url,
    key,
    clientId,
    requests,
    faults: {},
    settings: {
      id: 'faulty',
      displayName: 'Faulty',
      issuer: url,
      clientId,
      scopes: ['openid', 'profile'],
      usernameClaim: 'preferred_username',
      usernamePrefix: '',
      groupsClaim: 'groups',
      groupsPrefix: '',
      caFile: undefined,
      isHttpAllowed: true,
    },
    sign: (claims, by = key, header = {}) =>
      new SignJWT({ ...claims }).setProtectedHeader({ alg: by.alg, kid: by.kid, ...header }).sign(by.privateKey),
    goodClaims(more = {}) {
      const iat = Math.floor(now() / 1000)
      return {
        iss: url,
        aud: clientId,
        sub: 'sub-alice',
        iat,
        exp: iat + 300,
        preferred_username: 'alice',
        groups: ['ds'],
        ...more,
      }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }

  const authorize = (query: URLSearchParams, response: ServerResponse) => {
    const code = randomUUID()
    codes.set(code, query)
    const answer = new URLSearchParams({ code, state: query.get('state') ?? '', iss: url })
    issuer.faults.authorize?.(answer)
    response.writeHead(302, { Location: `${query.get('redirect_uri')}?${answer}` }).end()
  }

  const tokens = async (nonce: string | null) => {
    const good = issuer.goodClaims(nonce === null ? {} : { nonce })
    const claims = issuer.faults.claims?.(good) ?? good
    const idToken = await (issuer.faults.sign ?? issuer.sign)(claims)
    const body = { access_token: 'access', token_type: 'Bearer', refresh_token: randomUUID() }
    return { status: 200, body: idToken === undefined ? body : { ...body, id_token: idToken } }
  }
  const token = async (form: URLSearchParams): Promise<{ status: number; body: object }> => {
    const instead = issuer.faults.token?.(form)
    if (instead) return instead
    if (form.get('grant_type') === 'refresh_token') return tokens(null)
    const code = form.get('code') ?? ''
    const asked = codes.get(code)
    codes.delete(code)
    const isRight = asked?.get('code_challenge') === challengeOf(form.get('code_verifier'))
    return asked && isRight ? tokens(asked.get('nonce')) : { status: 400, body: { error: 'invalid_grant' } }
  }

  const metadata = () => ({
    issuer: url,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    jwks_uri: `${url}/jwks`,
    id_token_signing_alg_values_supported: ['RS256', 'ES256', 'PS256', 'EdDSA', 'HS256', 'none'],
    authorization_response_iss_parameter_supported: true,
    ...(issuer.faults.userinfo ? { userinfo_endpoint: `${url}/userinfo` } : {}),
    ...issuer.faults.metadata,
  })

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(request.url ?? '', url)
    requests.push(pathname)
    if (issuer.faults.answer?.(pathname, response)) return
    const form = await formOf(request)
    switch (pathname) {
      case '/.well-known/openid-configuration':
        return json(response, 200, metadata())
      case '/jwks':
        return json(response, 200, { keys: issuer.faults.keys ?? [await publicJwk(key)] })
      case '/authorize':
        return authorize(searchParams, response)
      case '/token': {
        const { status, body } = await token(form)
        return json(response, status, body)
      }
      case '/userinfo':
        return json(response, 200, issuer.faults.userinfo ?? {})
      default:
        return json(response, 404, {})
    }
  }
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return issuer
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  return new URLSearchParams(Buffer.concat(chunks).toString())
}

function challengeOf(verifier: string | null): string {
  return createHash('sha256')
    .update(verifier ?? '')
    .digest('base64url')
}
