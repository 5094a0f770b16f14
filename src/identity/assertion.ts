/**
 * `X-Gatehouse-Assertion`: tells a workspace who is asking, signed, so that an app may rely on it even where others can reach its port.
 * A compact JWS (RFC 7515) with EdDSA (RFC 8037), good for 5 minutes and for one workspace; verified with `/.gatehouse/jwks.json`.
 *
 * An Ed25519 signature costs more than all the rest of a request, so one is used for 60 s.
 */
import { randomUUID, sign } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import type { KeyRing } from './key-ring.ts'
import type { AssertionJwk, RingKey } from './ring-key.ts'
import type { Session } from './session.ts'

export interface AssertionAudience {
  /** `namespace/name`: the `aud`. */
  readonly workspaceKey: string
  /** A re-created namesake is another workspace. */
  readonly workspaceUid: string
  readonly port: number
}

export interface Assertions {
  /** Throws `store_unavailable` only where there has never been a key. */
  assertionFor(session: Session, audience: AssertionAudience): Assertion
  /** Would {@link assertionFor} give the same again, for whom it was given? Asked on every request, so it looks nothing up. */
  isCurrent(assertion: Assertion, session: Session): boolean
  /** RFC 7517: every key that may have signed something still valid. */
  jwks(): { readonly keys: readonly AssertionJwk[] }
}

export interface Assertion {
  /** The header's value. */
  readonly token: string
  readonly session: Session
  readonly workspaceUid: string
  readonly key: RingKey
  readonly freshUntil: Timestamp
}

const life: Milliseconds = 5 * 60_000
const reusedFor: Milliseconds = 60_000
/** Mostly about 1 KB each. */
const mostMinted = 10_000
const mostGroupBytes = 4096

/** `issuer`: the console's external origin. */
export function createAssertions(options: {
  readonly keyRing: KeyRing
  readonly clock: Clock
  readonly issuer: string
}): Assertions {
  const { keyRing, clock, issuer } = options
  const minted = new LRUCache<string, Assertion>({ max: mostMinted })

  /** A changed session is another object, a key that was taken out signs nothing any more. */
  const isCurrent = (assertion: Assertion, session: Session, now = clock.now()) =>
    assertion.session === session && now < assertion.freshUntil && keyRing.find(assertion.key.kid) === assertion.key

  return {
    isCurrent: (assertion, session) => isCurrent(assertion, session),
    assertionFor(session, audience) {
      const now = clock.now()
      // A session's name has a fixed length and a port no slash, so no two of these are alike.
      const place = `${session.name}${audience.port}/${audience.workspaceKey}`
      const before = minted.get(place)
      if (before?.workspaceUid === audience.workspaceUid && isCurrent(before, session, now)) return before
      const key = keyRing.current()
      const token = mint(key, claimsOf(issuer, session, audience, now))
      const { workspaceUid } = audience
      const assertion = { token, session, workspaceUid, key, freshUntil: now + reusedFor }
      minted.set(place, assertion)
      return assertion
    },
    jwks: () => ({ keys: keyRing.all().map((key) => key.jwk) }),
  }
}

function claimsOf(issuer: string, session: Session, audience: AssertionAudience, now: Timestamp) {
  const { username, uid } = session.identity
  const groups = groupsThatFit(session.identity.groups)
  return {
    iss: issuer,
    aud: audience.workspaceKey,
    sub: username,
    uid,
    groups,
    ...(groups.length < session.identity.groups.length && { groups_truncated: true }),
    workspace_uid: audience.workspaceUid,
    port: audience.port,
    iat: Math.floor(now / 1000),
    exp: Math.floor((now + life) / 1000),
    jti: randomUUID(),
  }
}

/** Servers refuse heads of 16 KB and more; somebody in thousands of groups still reaches the app, and is told apart from having none. */
function groupsThatFit(groups: readonly string[]): readonly string[] {
  let room = mostGroupBytes
  const end = groups.findIndex((group) => {
    room -= Buffer.byteLength(group) + 3
    return room < 0
  })
  return end < 0 ? groups : groups.slice(0, end)
}

function mint(key: RingKey, claims: object): string {
  const header = encoded({ alg: 'EdDSA', typ: 'JWT', kid: key.kid })
  const input = `${header}.${encoded(claims)}`
  return `${input}.${sign(null, Buffer.from(input), key.assertions).toString('base64url')}`
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
