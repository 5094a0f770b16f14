/**
 * A tunnel whose connection in the pod is held by the agent while its client is away. Under which name it is held there is made here, of what the client alone
 * knows and of who and what it is admitted for: so nobody else finds it, whatever he knows, and it leads nowhere but where it led.
 */
import { createHash } from 'node:crypto'
import { GatewayError, messageOf } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { deadlineOf } from '#lib/deadline.ts'
import type { Log } from '#observe/log.ts'
import { isGone } from '#proxy/upstream.ts'
import { type HeldFor, type HoldWish, keyLength, personLength } from '#resume/hold.ts'
import { type CloseCode, closeCodes } from '#tunnel/protocol.ts'
import type { Pass } from './passes.ts'
import type { AimedStream } from './target.ts'

export interface HeldTunnelParts {
  readonly pass: Pass
  readonly stream: AimedStream
  readonly clock: Clock
  readonly log: Pick<Log, 'debug'>
}

/** For an agent to be told, over whatever replica. */
const longestEnding: Milliseconds = 10_000

export class HeldTunnel {
  readonly #parts: HeldTunnelParts
  #held: HeldFor | undefined
  #isEnded = false

  constructor(parts: HeldTunnelParts) {
    this.#parts = parts
  }

  /** For how long there has been such a stream; `undefined` where it is not held. */
  get held(): HeldFor | undefined {
    return this.#held
  }

  /** It was ended for good from here. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  get wish(): HoldWish {
    const { aim, age } = this.#parts.stream
    // An agent may be the owner's, and no friend of a guest: so that neither end alone can make it younger, the longer time counts.
    const onHeld = (held: HeldFor) => {
      this.#held = { ...held, age: Math.max(held.age, age) }
    }
    return { aim, ...this.name, onHeld }
  }

  /** There, and whose it is. */
  get name(): Pick<HoldWish, 'key' | 'person'> {
    const { pass, stream } = this.#parts
    const { kind, username, uid } = pass.session.identity
    const whose = [kind, username, uid]
    const what = [pass.entry.uid, pass.port.port, pass.connectionType]
    return {
      key: hashOf(['stream', ...whose, ...what, stream.id.reveal()]).subarray(0, keyLength),
      person: hashOf(['person', ...whose, pass.entry.uid]).subarray(0, personLength),
    }
  }

  /** Was it closed for good, and not to come back? */
  endFor(code: CloseCode): void {
    if (code !== closeCodes.restarting && code !== closeCodes.busy) this.end()
  }

  /** For good: the agent closes the connection at once. Nobody waits for it; one that is not reached ends it when its client has not come for long. */
  end(): void {
    if (this.#held) this.#endOnce()
  }

  /** It was asked for, and not waited for: whether the agent has it now is not known. One that went on stays as it was, for it may have another connection. */
  abandon(): void {
    if (this.#parts.stream.aim === 'open') this.#endOnce()
  }

  #endOnce(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    void this.#end()
  }

  async #end(): Promise<void> {
    const { pass, clock, log } = this.#parts
    using deadline = deadlineOf(clock, longestEnding)
    const wish = { aim: 'end' as const, ...this.name, onHeld: () => undefined }
    try {
      const unasked = await pass.upstream.dial(deadline.signal, undefined, wish)
      unasked.destroy()
    } catch (error) {
      if (error instanceof GatewayError && isGone(error)) return
      // As a rule its pod ends just then.
      log.debug({ component: 'agents', reason: messageOf(error) }, 'an agent was not told that a tunnel is over')
    }
  }
}

function hashOf(words: readonly (string | number)[]): Buffer {
  return createHash('sha256').update(JSON.stringify(words)).digest()
}
