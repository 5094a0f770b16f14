/** How what a workspace says in a tunnel comes in: as large bodies do, into buffers that are read into again, until there is somebody to hand it to and then to him. */
import type { Duplex } from 'node:stream'
import { Intake, type IntakeUser } from '#proxy/intake.ts'
import type { Landing } from '#proxy/landing.ts'
import type { Bridge } from '#tunnel/bridge.ts'

/** Bytes that a server may say before the client knows that there is one. */
const mostEarly = 65_536

export class TunnelIntake implements IntakeUser {
  /** As far as anybody knows, there is always more. */
  readonly due = Number.POSITIVE_INFINITY
  /** For whoever opens the connection. */
  readonly reading: Intake
  readonly #early: Buffer[] = []
  #earlyLength = 0
  #bridge: Bridge | undefined
  #stream: Duplex | undefined

  constructor(landing: Landing) {
    this.reading = new Intake(landing)
    this.reading.use(this)
  }

  /** From now on it is the bridge's; first what came before. */
  lead(stream: Duplex, bridge: Bridge): void {
    this.#stream = stream
    this.#bridge = bridge
    stream.once('close', () => this.reading.end())
    for (const bytes of this.#early.splice(0)) bridge.onStreamBytes(bytes)
  }

  onBytes(bytes: Buffer): void {
    if (this.#bridge) {
      this.#bridge.onStreamBytes(bytes)
      return
    }
    this.#earlyLength += bytes.length
    if (this.#earlyLength > mostEarly) throw new RangeError('a server says more than anybody waits for')
    this.#early.push(Buffer.from(bytes))
  }

  onFree(): void {
    this.#bridge?.readOn()
  }

  onFault(): void {
    this.#stream?.destroy()
  }
}
