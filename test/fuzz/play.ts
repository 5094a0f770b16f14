/** Sends a case to one target, and waits until nothing more comes of it. */
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import type { Milliseconds } from '#lib/clock.ts'
import { type SeenRequest, seenField } from './recorder.ts'
import { type CaseWriting, type RequestCase, renderCase } from './request-case.ts'
import { type Lane, type TargetName, targetNames } from './stage.ts'

/** What came of a case at one target. */
export interface Played {
  /** What its upstream saw. */
  readonly requests: readonly SeenRequest[]
  /** Statuses of what it answered, interim ones too. */
  readonly statuses: readonly number[]
  /** The targets that its answers are about, in their order. */
  readonly answered: readonly string[]
}

export type PlayedCase = Readonly<Record<TargetName, Played>>

export interface Pace {
  readonly writing: CaseWriting
  /** Between two writes. */
  readonly pause: Milliseconds
  /** For how long nothing must have come for it to be over. */
  readonly idle: Milliseconds
}

/** At all targets at once. */
export async function playCase(requestCase: RequestCase, lane: Lane, pace: Pace): Promise<PlayedCase> {
  const writes = renderCase(requestCase, lane.setting, pace.writing)
  const [gatehouse, nginx, haproxy] = await Promise.all(targetNames.map((name) => playAt(lane, name, writes, pace)))
  if (!gatehouse || !nginx || !haproxy) throw new Error('a target is missing')
  return { gatehouse, nginx, haproxy }
}

async function playAt(lane: Lane, name: TargetName, writes: readonly string[], { pause, idle }: Pace): Promise<Played> {
  const { address, recorder } = lane.targets[name]
  const socket = connect({ ...address, allowHalfOpen: true })
  let answer = ''
  let isOver = false
  let activity = 0
  socket.on('data', (bytes) => {
    answer += bytes.toString('latin1')
    activity += 1
  })
  for (const event of ['end', 'close', 'error']) {
    socket.on(event, () => {
      isOver = true
    })
  }
  socket.setNoDelay(true)
  for (const write of writes) {
    if (!socket.destroyed) socket.write(write, 'latin1')
    if (writes.length > 1) await sleep(pause)
  }
  let last = -1
  let quiet = 0
  while (!isOver && quiet < idle) {
    await sleep(step)
    const now = activity + recorder.activity()
    quiet = now === last ? quiet + step : 0
    last = now
  }
  socket.destroy()
  // What was read already is on its way to the upstream, unless it never will be.
  for (let turn = 0; turn < 3; turn += 1) await setImmediate()
  const statuses = [...answer.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, digits]) => Number(digits))
  const answered = [...answer.matchAll(seenLine)].map(([, target = '']) => target)
  return { requests: recorder.take(), statuses, answered }
}

const step = 4
const seenLine = new RegExp(`^${seenField}: ([^\r\n]*)`, 'gim')

export async function canConnect(address: NetConnectOpts): Promise<void> {
  for (let attempt = 0; attempt < 1_000; attempt += 1) {
    if (await tryConnect(connect(address))) return
    await sleep(10)
  }
  throw new Error(`nobody listens at ${JSON.stringify(address)}`)
}

function tryConnect(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  }).then((isOpen) => {
    socket.destroy()
    return isOpen === true
  })
}
