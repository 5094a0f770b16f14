/**
 * What a login attempt carries with it, so that nobody writes to the store before being logged in. The `state` parameter, sealed, says where the person
 * wanted to go; a small cookie, sealed too, binds the attempt to the browser and holds the secret of PKCE and nonce.
 * One cookie an attempt: ten tabs that log in at once don't get in each other's way.
 */
import { createHash, randomBytes } from 'node:crypto'
import { type Static, Type } from 'typebox'
import { cookieValues } from '#http/cookies.ts'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import { checkerOf } from '#lib/schema.ts'
import { type CookiePolicy, ownCookiePlace, setCookie } from './cookie-names.ts'
import type { Sealer } from './seal.ts'

const stateSchema = Type.Object(
  {
    /** Names the attempt's cookie. */
    attempt: Type.String({ pattern: '^[A-Za-z0-9_-]{16}$' }),
    /** The issuer's id in the settings. */
    issuer: Type.String(),
    returnTo: Type.String(),
    isSilent: Type.Boolean(),
    /** How often this login was started over because the browser's cookie was gone. */
    restarts: Type.Integer({ minimum: 0 }),
    /** What somebody else wants to find again at the end. */
    attachment: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
)

export type LoginState = Static<typeof stateSchema>

/** Known to this browser and to us alone. */
export interface AttemptSecrets {
  readonly nonce: string
  /** PKCE's (RFC 7636): 43 characters. */
  readonly verifier: string
}

/** What a browser's cookie says of its attempt. */
export interface HeldAttempt extends AttemptSecrets {
  readonly startedAt: Timestamp
}

export interface NewAttempt extends AttemptSecrets {
  readonly state: string
  /** `Set-Cookie` values: the attempt's own, and the ends of those that are too many. */
  readonly setCookies: readonly string[]
}

export interface LoginStates {
  begin(what: Omit<LoginState, 'attempt'>, cookieHeader: string | undefined): NewAttempt
  /** `undefined` for what was not sealed here, or too long ago. */
  open(state: string): LoginState | undefined
  /** `undefined` when this browser didn't start the attempt, or more than 10 minutes ago. */
  held(state: LoginState, cookieHeader: string | undefined): HeldAttempt | undefined
  clear(state: LoginState): string
}

/** A person may leave the issuer's login page open for long; then the login starts over, and needs to know where to. */
const stateLifetime: Milliseconds = 24 * 3_600_000
export const attemptLifetime: Milliseconds = 10 * 60_000
/**
 * About 190 bytes each, so that all of them together stay far below the 8 KB that servers commonly take. Whoever opens more tabs at once
 * has the oldest start over.
 */
export const mostAttempts = 10

const checkState = checkerOf(stateSchema)

export function loginStates(options: {
  readonly sealer: Sealer
  readonly cookies: CookiePolicy
  readonly clock: Clock
}): LoginStates {
  const { sealer, cookies, clock } = options
  const placeOf = (attempt: string) => ownCookiePlace(cookies, `login-${attempt}`)
  const prefix = placeOf('').name

  /** When this cookie's attempt began, and its secret. */
  const openCookie = (attempt: string, value: string) => {
    const text = sealer.open('login/attempt', value, { associatedData: [attempt] })
    const [startedAt = '', secret = ''] = text?.split(' ') ?? []
    return text === undefined ? undefined : { startedAt: Number(startedAt), secret }
  }
  /** Those of the browser's attempts that leave no room for one more, and whatever can't be read. */
  const surplus = (cookieHeader: string | undefined): readonly string[] => {
    const alive = namesOf(cookieHeader, prefix).map((name) => {
      const attempt = name.slice(prefix.length)
      const began = cookieValues(cookieHeader, name).map((value) => openCookie(attempt, value)?.startedAt ?? 0)
      return { attempt, startedAt: Math.max(0, ...began) }
    })
    alive.sort((a, b) => b.startedAt - a.startedAt)
    return alive
      .filter(({ startedAt }, index) => startedAt === 0 || index >= mostAttempts - 1)
      .map(({ attempt }) => attempt)
  }
  const clearCookie = (attempt: string) => setCookie(cookies, placeOf(attempt), '', 0)

  return {
    begin(what, cookieHeader) {
      const now = clock.now()
      const attempt = randomBytes(12).toString('base64url')
      const secret = randomBytes(32).toString('base64url')
      const cookie = sealer.seal('login/attempt', `${now} ${secret}`, {
        associatedData: [attempt],
        expiresAt: now + attemptLifetime,
      })
      return {
        ...secretsOf(secret),
        state: sealState(sealer, { ...what, attempt }, now),
        setCookies: [
          ...surplus(cookieHeader).filter(isAttempt).map(clearCookie),
          setCookie(cookies, placeOf(attempt), cookie, attemptLifetime / 1000),
        ],
      }
    },
    open(state) {
      const text = sealer.open('login/state', state)
      const checked = text === undefined ? undefined : checkState(JSON.parse(text))
      return checked?.ok ? checked.value : undefined
    },
    held({ attempt }, cookieHeader) {
      const opened = cookieValues(cookieHeader, placeOf(attempt).name)
        .map((value) => openCookie(attempt, value))
        .find((found) => found !== undefined)
      return opened && { ...secretsOf(opened.secret), startedAt: opened.startedAt }
    },
    clear: ({ attempt }) => clearCookie(attempt),
  }
}

function sealState(sealer: Sealer, state: LoginState, now: Timestamp): string {
  return sealer.seal('login/state', JSON.stringify(state), { expiresAt: now + stateLifetime })
}

/** Two values that tell nothing about each other. */
function secretsOf(secret: string): AttemptSecrets {
  const derive = (use: string) =>
    createHash('sha256')
      .update(JSON.stringify([use, secret]))
      .digest('base64url')
  return { nonce: derive('nonce'), verifier: derive('verifier') }
}

/** Others may set cookies that begin like ours; only names we could have made are ended. */
function isAttempt(text: string): boolean {
  return /^[A-Za-z0-9_-]{16}$/.test(text)
}

function namesOf(cookieHeader: string | undefined, prefix: string): readonly string[] {
  const names = (cookieHeader ?? '').split(';').map((pair) => pair.split('=', 1)[0]?.trim() ?? '')
  return [...new Set(names.filter((name) => name.startsWith(prefix)))]
}
