/**
 * The memory of what was read from a socket, given back as soon as it was written to another one, not when it is collected. Node reads into an ArrayBuffer
 * of its own each time; V8 counts what those hold outside its heap, and marks the whole heap for every few dozen MB that come in: a gateway that knows
 * thousands of workspaces would spend more on that than on the bytes. What is given back is also what the next read is put into, warm in the processor's
 * caches.
 */
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { isMarkedAsUntransferable } from 'node:worker_threads'

/** Bytes: fewer are not worth the word that it takes. */
const fewest = 16_384

/**
 * Is `read` all that its memory holds? A piece of something larger is never given back, since others may have other pieces; nor is what is read into
 * again, which is marked as untransferable.
 */
export function isWhole(read: Buffer): boolean {
  const { buffer, length } = read
  return length >= fewest && length === buffer.byteLength && !isMarkedAsUntransferable(buffer)
}

/** Of what {@link isWhole}, and nobody needs: every view of it is empty from now on. */
export function giveBack({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0)
}

/** Needs nothing of a piece any more once its write is done; other streams may have handed it on to somebody who has not read it. */
export interface Finishing {
  readonly isDoneWithWritten: true
}

export function isFinishing(to: Writable & Partial<Finishing>): boolean {
  return to instanceof Socket || to.isDoneWithWritten === true
}

/**
 * `to.write(read)`, after which `read` is nobody's: its memory is given back when it was written. What could not be is collected as any other: the system
 * may still have it in its hands. Gives what `write` gives.
 */
export function passOn(to: Writable, read: Buffer): boolean {
  if (!isFinishing(to) || !isWhole(read)) return to.write(read)
  return to.write(read, (error) => {
    if (!error) giveBack(read)
  })
}
