/** Bodies that stand still. Nothing is done for each piece of a body: one timer a body, as long as it lasts, looks whether any has moved. */
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'

/** For how long nothing of a body may move. One that moves at all, however slowly, goes on. */
export interface BodyLimits {
  readonly uploadIdle: Milliseconds
  readonly downloadIdle: Milliseconds
}

export interface Movement {
  /** Bytes until now, in either direction. */
  readonly moved: number
  /** How long it may stand as it does now; `undefined`: for ever, as nothing is due. */
  readonly patience: Milliseconds | undefined
}

export interface StallParts {
  readonly clock: Clock
  readonly bodies: BodyLimits
}

/** A stall is noticed that part of its limit later, at most. */
const looksPerLimit = 8

/** `onMoved` hears at every look what has moved since the one before. Calls `onStall` at most once; not after it was disposed of. */
export function watchForStall(
  { clock, bodies }: StallParts,
  look: () => Movement,
  onStall: () => void,
  onMoved?: (bytes: number) => void,
): Disposable {
  const usual = Math.min(bodies.uploadIdle, bodies.downloadIdle)
  let { moved } = look()
  let since: Timestamp = clock.now()
  /** Since then. A process that was itself held up, with all its bodies, is not to judge by the time alone. */
  let looks = 0
  let timer: Disposable
  const check = () => {
    const now = look()
    looks += 1
    if (now.moved > moved) onMoved?.(now.moved - moved)
    if (now.moved !== moved || now.patience === undefined) {
      moved = now.moved
      since = clock.now()
      looks = 0
    } else if (looks >= looksPerLimit && clock.now() - since >= now.patience) {
      onStall()
      return
    }
    arm(now.patience ?? usual)
  }
  const arm = (patience: Milliseconds) => {
    timer = clock.after(patience / looksPerLimit, check)
  }
  arm(usual)
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() }
}
