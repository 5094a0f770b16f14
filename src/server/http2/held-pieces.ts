/**
 * Pieces of answers whose stream ended while they were on their way. Node hands nghttp2's frames to the system where they lie, and keeps nothing
 * that would hold them: once a stream is gone, a piece that its client has yet to read would be collected, and what comes into its place be sent.
 * So each is held until the client has answered a PING that was sent behind it (RFC 9113 section 6.7), or the connection is gone.
 */
import type { Http2Session } from 'node:http2'

interface Held {
  readonly pieces: Buffer[]
  isAsked: boolean
}

/** Of one connection; who has so many has read nothing for long. */
const mostHeld = 256

export class HeldPieces {
  readonly #bySession = new WeakMap<Http2Session, Held>()

  hold(session: Http2Session, piece: Buffer): void {
    if (session.destroyed) return
    const held = this.#of(session)
    if (held.pieces.length >= mostHeld) session.destroy()
    else held.pieces.push(piece)
    this.#ask(session, held)
  }

  #of(session: Http2Session): Held {
    const known = this.#bySession.get(session)
    if (known) return known
    const held: Held = { pieces: [], isAsked: false }
    this.#bySession.set(session, held)
    return held
  }

  /** Of what is held now; what comes later is asked for behind it. Where it can't be asked, all of it stays until the connection is gone. */
  #ask(session: Http2Session, held: Held): void {
    if (held.isAsked || session.destroyed) return
    held.isAsked = true
    const asked = held.pieces.length
    session.ping((error) => {
      held.isAsked = false
      if (error) return
      held.pieces.splice(0, asked)
      if (held.pieces.length > 0) this.#ask(session, held)
    })
  }
}
