/**
 * What it costs to see who is working: bytes kept for each WebSocket at rest, and time of the processor for each message and request that passes.
 * `node --expose-gc test/bench/activity.ts`.
 */
import { activityKind, activityName, activitySpec } from '#activity/activity-record.ts'
import type { AppProfile } from '#activity/profile.ts'
import { ActivityRecorder } from '#activity/recorder.ts'
import { systemClock } from '#lib/clock.ts'
import { ActivityBook } from '#operator/activity-book.ts'
import type { Resources } from '#resources/contract.ts'
import { frameBytes } from '#test/support/websocket-frames.ts'
import { heldBytes, keptFor, restingSockets } from './resting-sockets.ts'

const workspace = { namespace: 'team', name: 'nb', uid: 'u1' }
const kernelProtocol = 'v1.kernel.websocket.jupyter.org'

const recorder = new ActivityRecorder({ clock: systemClock })
const onlooker = recorder.onlookerOf(workspace, 'alice')

/** Bytes of a record that somebody else wrote, for as long as somebody looks at any, or this process decides. */
function ofRecord(): number {
  const spans = 'a12c3a4d'.repeat(12)
  const at = Date.now()
  const textOf = (index: number) => {
    const evidence = { at: at - index, source: 'kernel:execute_request', user: `person-${index % 500}` }
    const clocks = { connected: evidence, interactive: evidence, busy: { ...evidence, source: 'kernel:busy' } }
    const of = { namespace: 'team', name: `nb-${index % 5_000}`, uid: `uid-${index % 5_000}` }
    const message = `Last active at ${new Date(at).toISOString()} (kernel:execute_request).`
    const verdict = { idle: false, reason: 'active', message, idleAt: new Date(at).toISOString() }
    const accessURL = `https://nb-${index}.ws.example.com/`
    const run = { instance: `instance-${index % 5_000}`, since: at }
    const told = { clocks, verdict, run, accessURL, history: [`5934523:${spans}`] }
    return JSON.stringify(activitySpec(of, `gatehouse-${index % 3}`, told, at))
  }
  const texts = Array.from({ length: 15_000 }, (_, index) => textOf(index))
  // It is only told here.
  const book = new ActivityBook({ resources: {} as Resources, namespace: 'gatehouse', clock: systemClock })
  const before = heldBytes()
  texts.forEach((text, index) => {
    const spec = activityKind.parseSpec(JSON.parse(text))
    const name = activityName(spec.workspace.uid, spec.replica)
    const metadata = JSON.parse(
      JSON.stringify({ namespace: 'gatehouse', name, uid: `record-${index}`, resourceVersion: `${index}` }),
    )
    book.read({ apiVersion: 'gatehouse.dev/v1alpha1', kind: 'WorkspaceActivity', metadata, spec, status: undefined })
  })
  return (heldBytes() - before) / [...book.workspaces()].flatMap((uid) => book.pagesOf(uid)).length
}

/** Microseconds of the processor for each call. */
function timeOf(run: () => void, times = 300_000): number {
  for (let index = 0; index < times / 3; index++) run()
  const before = process.cpuUsage()
  for (let index = 0; index < times; index++) run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / times
}

/** As JupyterLab and its server write them. */
function kernelMessage(type: string, parent: string, content: object, mask?: number): Buffer {
  const header = (of: string) => ({
    date: '2026-01-01T00:00:00.000Z',
    msg_id: 'f'.repeat(36),
    msg_type: of,
    session: 'e'.repeat(36),
    username: '',
    version: '5.4',
  })
  const parts = ['iopub', ...[header(type), header(parent), {}, content].map((part) => JSON.stringify(part))].map(
    (it) => Buffer.from(it),
  )
  const offsets = [8 * (parts.length + 2)]
  for (const part of parts) offsets.push((offsets.at(-1) ?? 0) + part.length)
  const table = [offsets.length, ...offsets].map((offset) => {
    const field = Buffer.alloc(8)
    field.writeBigUInt64LE(BigInt(offset))
    return field
  })
  return frameBytes({ opcode: 2, payload: Buffer.concat([...table, ...parts]), mask })
}

const mask = 0x01_fe_7f_80
const text = frameBytes({ opcode: 1, payload: Buffer.from('x'.repeat(100)), mask })
const lines: string[] = []
const say = (what: string, value: number, unit: string) => lines.push(`${what.padEnd(64)} ${value.toFixed(2)} ${unit}`)

for (const [kind, socket] of restingSockets) say(`kept for ${kind} at rest`, keptFor(socket, onlooker), 'bytes')
say('kept of a record of activity while somebody looks', ofRecord(), 'bytes')

const generic = onlooker.opened({ profile: 'generic', path: '/ws', protocol: undefined })
const kernel = onlooker.opened({ profile: 'jupyterlab', path: '/api/kernels/1/channels', protocol: kernelProtocol })
const terminal = onlooker.opened({ profile: 'jupyterlab', path: '/terminals/websocket/1', protocol: undefined })
const executed = kernelMessage('execute_request', 'none', { code: 'x'.repeat(400), silent: false }, mask)
const printed = kernelMessage('stream', 'execute_request', { name: 'stdout', text: 'x'.repeat(100) })
const status = kernelMessage('status', 'execute_request', { execution_state: 'busy' })
const stdin = frameBytes({ opcode: 1, payload: Buffer.from('["stdin","l"]'), mask })
const stdout = frameBytes({ opcode: 1, payload: Buffer.from(JSON.stringify(['stdout', 'x'.repeat(100)])) })
const large = frameBytes({ opcode: 2, payload: Buffer.alloc(60_000), mask })
say(
  'a message of any socket, from a client',
  timeOf(() => generic.observe('client', text)),
  'us',
)
say(
  'a message of 60 kB of any socket, from a client',
  timeOf(() => generic.observe('client', large)),
  'us',
)
say(
  'a message of any socket, from an app',
  timeOf(() => generic.observe('upstream', stdout)),
  'us',
)
say(
  'a request to a kernel',
  timeOf(() => kernel.observe('client', executed)),
  'us',
)
say(
  'a line that a kernel prints',
  timeOf(() => kernel.observe('upstream', printed)),
  'us',
)
say(
  'the state of a kernel',
  timeOf(() => kernel.observe('upstream', status)),
  'us',
)
say(
  'a key that is pressed in a terminal',
  timeOf(() => terminal.observe('client', stdin)),
  'us',
)
say(
  'what a terminal prints',
  timeOf(() => terminal.observe('upstream', stdout)),
  'us',
)

const browser = { method: 'GET', status: 200, isGesture: false }
const asked = (profile: AppProfile, path: string, mode?: string, destination?: string) => {
  const [rest = '', query] = path.slice(1).split('?', 2)
  const request = { ...browser, rest, query: query === undefined ? '' : `?${query}`, mode, destination }
  return () => onlooker.answered(profile, request)
}
say('a request of a script to any app', timeOf(asked('generic', '/api/items?page=1', 'cors', 'empty')), 'us')
say('a request without Sec-Fetch to any app', timeOf(asked('generic', '/')), 'us')
say('a poll of JupyterLab', timeOf(asked('jupyterlab', '/api/kernels?1700000000000', 'cors', 'empty')), 'us')
say('a part of a page', timeOf(asked('jupyterlab', '/static/lab/main.js', 'no-cors', 'script')), 'us')
process.stdout.write(`${lines.join('\n')}\n`)
process.exit(0)
