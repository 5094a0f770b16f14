/** Which answers are streams, told by the answer itself: what a client says that it would like decides nothing. */
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { ResponseHead } from './response-head.ts'

/** `events`: by its Content-Type (HTML, section 9.2). `body`: anything else that has been under way for long. */
export type Lasting = 'events' | 'body'

/** A body that is still under way after that is a stream, whatever it calls itself. */
export const longestPlain: Milliseconds = 10_000

const eventStream = /^text\/event-stream[\t ]*(?:;|$)/i

export function isEventStream({ headers }: ResponseHead): boolean {
  const index = headers.findIndex((name, at) => at % 2 === 0 && name.toLowerCase() === 'content-type')
  return index !== -1 && eventStream.test(headers[index + 1] ?? '')
}

/** Tells of it once. To be disposed of at the end of the answer, which was no stream if it came before. */
export function tellOfLasting(head: ResponseHead, clock: Clock, tell: (lasting: Lasting) => void): Disposable {
  if (!isEventStream(head)) return clock.after(longestPlain, () => tell('body'))
  tell('events')
  return nothing
}

const nothing: Disposable = { [Symbol.dispose]() {} }
