/**
 * Tells other replicas which streams are over, whose agents have their links there. Whoever loses his access may have left hundreds: they go one behind the other
 * by a few connections, since to show one another's certificates takes longer than all else.
 */
import { type PeerAddress, PeerConnection, type PeerDialling, type PeerSaid } from './peer-connection.ts'
import { type PeerDialled, refusalIn } from './peer-dial.ts'
import type { PeerAsked } from './peer-words.ts'

/** Connections to one replica at once. */
const most = 4

interface Waiting {
  readonly asked: PeerAsked
  readonly dialling: PeerDialling
  readonly settle: (said: PeerSaid) => void
}

interface Line {
  running: number
  readonly waiting: Waiting[]
}

export class PeerEnds {
  readonly #lines = new Map<string, Line>()

  /** As `dialPeer`, of one that is over: it throws `upstream_unreachable`, because of `StreamGone`, once its agent has heard it. */
  async tell(address: PeerAddress, asked: PeerAsked, dialling: PeerDialling): Promise<PeerDialled> {
    const said = await new Promise<PeerSaid>((settle) => this.#add(address, { asked, dialling, settle }))
    return said.kind === 'broke' ? { ...said, kind: 'unreachable' } : refusalIn(said.line)
  }

  #add(address: PeerAddress, waiting: Waiting): void {
    const key = `${address.host} ${address.port}`
    const line = this.#lines.get(key) ?? { running: 0, waiting: [] }
    this.#lines.set(key, line)
    line.waiting.push(waiting)
    if (line.running >= most) return
    line.running += 1
    void this.#work(key, address, line)
  }

  /** Until nobody waits. */
  async #work(key: string, address: PeerAddress, line: Line): Promise<void> {
    let connection: PeerConnection | undefined
    for (let next = line.waiting.shift(); next; next = line.waiting.shift()) {
      const told = await tellBy(connection, address, next)
      connection = told.connection
      next.settle(told.said)
    }
    connection?.socket.destroy()
    line.running -= 1
    if (line.running === 0) this.#lines.delete(key)
  }
}

interface Told {
  readonly said: PeerSaid
  /** For whoever is next. */
  readonly connection: PeerConnection | undefined
}

/** An older replica answers once by each connection, and any may have been closed since: then by another one. */
async function tellBy(
  before: PeerConnection | undefined,
  address: PeerAddress,
  { asked, dialling }: Waiting,
): Promise<Told> {
  const { signal } = dialling
  const said = await before?.ask(asked, signal)
  if (said?.kind === 'line') return { said, connection: before }
  try {
    const connection = await PeerConnection.open(address, dialling)
    if (connection) return { said: await connection.ask(asked, signal), connection }
    return { said: { kind: 'broke', why: signal.reason, isWordless: false }, connection }
  } catch (why) {
    return { said: { kind: 'broke', why, isWordless: false }, connection: undefined }
  }
}
