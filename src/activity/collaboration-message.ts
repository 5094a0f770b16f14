/** Messages of a shared document (y-websocket): binary, a kind and for the first kind a step, each a small number. */
import { type Sight, sight } from './sight.ts'

/** Bytes of a message that are enough. */
export const collaborationHead = 2

const synchronisation = 0
const awareness = 1
const update = 2

/** Of what a browser sent. What it has, and what the server lacks, it tells by itself whenever it connects; where its cursor is, every 15 s. */
export function collaborationSight(head: Buffer): Sight {
  const [kind, step] = head
  if (kind === awareness) return sight('background', 'collaboration:awareness')
  if (kind !== synchronisation || step === undefined || step > update) return sight('unknown', 'collaboration:other')
  return step === update
    ? sight('interactive', 'collaboration:update')
    : sight('background', 'collaboration:synchronisation')
}
