/** The code that a command line exchanges for its secret: good once, for a minute, for whoever knows the verifier. */

import { Type } from 'typebox'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { checkerOf } from '#lib/schema.ts'
import type { Log } from '#observe/log.ts'
import { Secret } from '#settings/secret.ts'
import { answersChallenge } from './cli-request.ts'
import { mostClockDifference, rememberedFor } from './clock-difference.ts'
import type { KeyRing } from './key-ring.ts'
import type { Once } from './once.ts'
import type { Sealer } from './seal.ts'
import type { Session, SessionName } from './session.ts'
import { bearerPrefix, signSessionId } from './session-cookie.ts'
import { parseSessionId, type SessionId, sessionNameOf } from './session-id.ts'
import type { SessionStore } from './session-store.ts'

export type CliExchange =
  | { readonly kind: 'ok'; readonly secret: Secret; readonly session: Session }
  | { readonly kind: 'refused'; readonly reason: 'code_invalid' | 'verifier_wrong' | 'code_used' | 'session_over' }

export interface CliCodeOptions {
  readonly sessions: Pick<SessionStore, 'look' | 'end'>
  readonly sealer: Sealer
  readonly keyRing: KeyRing
  readonly once: Pick<Once, 'claim'>
  /** `host[:port]` of `<domain>`: where the secret is good. */
  readonly consoleAuthority: string
  /** Names this process: its codes are judged by its own clock to the second, those of others by as much more as clocks may differ. */
  readonly replica: string
  readonly clock: Clock
  readonly log: Log
  /** Ends the timers. */
  readonly signal: AbortSignal
}

const lifetime: Milliseconds = 60_000
const memory = rememberedFor(lifetime)

const checkCode = checkerOf(
  Type.Object({
    id: Type.String(),
    challenge: Type.String(),
    /** By the clock of the replica `by`. */
    expiresAt: Type.Number(),
    by: Type.String(),
  }),
)

export class CliCodes {
  readonly #options: CliCodeOptions
  readonly #timers = new Set<Disposable>()

  constructor(options: CliCodeOptions) {
    this.#options = options
    const stop = () => {
      for (const timer of this.#timers) timer[Symbol.dispose]()
    }
    options.signal.addEventListener('abort', stop, { once: true })
  }

  /** A session that nobody fetches in time is nobody's, and ends. */
  issue(id: SessionId, challenge: string): string {
    const { sealer, clock, replica: by } = this.#options
    const expiresAt = clock.now() + lifetime
    // By another replica's clock it may be later already; the timer here ends it in time.
    const code = sealer.seal('cli/code', JSON.stringify({ id, challenge, expiresAt, by }), {
      expiresAt: expiresAt + mostClockDifference,
    })
    const timer = clock.after(lifetime + 5_000, () => {
      this.#timers.delete(timer)
      void this.#endUnlessFetched(sessionNameOf(id), code)
    })
    this.#timers.add(timer)
    return code
  }

  /** Throws `store_unavailable`. */
  async exchange(code: string, verifier: string): Promise<CliExchange> {
    const outcome = await this.#redeem(code, verifier)
    if (outcome.kind === 'refused') {
      this.#options.log.warnOfMany({ component: 'cli-login', reason: outcome.reason }, 'a code was refused')
    }
    return outcome
  }

  async #redeem(code: string, verifier: string): Promise<CliExchange> {
    const { sessions, keyRing, once, consoleAuthority } = this.#options
    const opened = this.#open(code)
    if (!opened) return { kind: 'refused', reason: 'code_invalid' }
    // Before the code counts as used: who has only seen it must not be able to spoil it.
    if (!answersChallenge(opened.challenge, verifier)) return { kind: 'refused', reason: 'verifier_wrong' }
    const name = sessionNameOf(opened.id)
    if (!(await once.claim(keyOf(code), memory))) {
      // RFC 6749 section 4.1.2: what was given out for it is taken back.
      await sessions.end(name, 'revoked')
      return { kind: 'refused', reason: 'code_used' }
    }
    const found = await sessions.look(name)
    if (found.kind !== 'live') return { kind: 'refused', reason: 'session_over' }
    const value = signSessionId(keyRing, opened.id, { kind: 'cli', authority: consoleAuthority, path: '/' })
    return { kind: 'ok', secret: new Secret(`${bearerPrefix}${value}`), session: found.session }
  }

  #open(code: string): { readonly id: SessionId; readonly challenge: string } | undefined {
    const text = this.#options.sealer.open('cli/code', code)
    const checked = text === undefined ? undefined : checkCode(JSON.parse(text))
    if (!checked?.ok) return undefined
    const { clock, replica } = this.#options
    if (checked.value.by === replica && clock.now() >= checked.value.expiresAt) return undefined
    const id = parseSessionId(checked.value.id)
    return id && { id, challenge: checked.value.challenge }
  }

  async #endUnlessFetched(name: SessionName, code: string): Promise<void> {
    const { sessions, once, log } = this.#options
    try {
      if (await once.claim(keyOf(code), memory)) await sessions.end(name, 'revoked')
    } catch (error) {
      log.warn({ component: 'cli-login', session: name, error }, 'a session that nobody fetched stays to its end')
    }
  }
}

function keyOf(code: string): string {
  return JSON.stringify(['cli-code', code])
}
