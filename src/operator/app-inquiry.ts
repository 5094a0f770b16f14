/**
 * Asks the app of a workspace what it is doing: the endpoint that its owner names, and Jupyter's own lists of kernels and terminals. Its instance is
 * asked and nobody else, by the way that requests go; redirects are not followed, and what is no clear answer is none. What is said of it names no
 * query: it may hold a secret.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { connect as overTls } from 'node:tls'
import type { Evidence } from '#activity/clocks.ts'
import type { AppAnswer, RestingAnswer } from '#activity/idle-decision.ts'
import type { IdleEndpoint } from '#activity/idle-shutdown.ts'
import { type PortTraffic, trafficAt } from '#activity/port-traffic.ts'
import { messageOf } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { deadlineOf } from '#lib/deadline.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
import type { Endpoint } from '#runtime/contract.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import { answerOver, baseUrl, type Dial, questionOf } from '#workspace/probe.ts'
import type { WorkspacePort } from '#workspace/workspace.ts'
import { timeIn } from './activity-time.ts'

export interface InquiryParts {
  readonly dial: Dial
  /** Prefix of a port's public paths, with a slash at its end; `/` in host mode. `port` undefined: the main one. */
  readonly publicPath: (ref: WorkspaceRef, port: number | undefined) => string
  readonly clock: Clock
  readonly signal: AbortSignal
}

const answerWithin: Milliseconds = 10_000
/** Bytes. */
const longestBody = 1 << 20

interface Answer {
  readonly status: number
  readonly isJson: boolean
  readonly body: string
}

interface Place {
  readonly endpoint: Endpoint
  readonly isTls: boolean
}

/** Never throws: what went wrong is an answer. */
export async function askApp(
  parts: InquiryParts,
  entry: WorkspaceEntry,
  endpoint: IdleEndpoint | undefined,
): Promise<AppAnswer> {
  try {
    const answers = await Promise.all([
      askJupyters(parts, entry),
      ...(endpoint ? [askEndpoint(parts, entry, endpoint)] : []),
    ])
    return sumOf(answers)
  } catch (error) {
    return { kind: 'failed', problem: messageOf(error) }
  }
}

/** Work that is known of counts whatever else failed. */
function sumOf(answers: readonly AppAnswer[]): AppAnswer {
  const rest = answers.flatMap((answer) => (answer.kind === 'busy' ? (answer.besides ?? []) : answer))
  const busy = answers.find((answer) => answer.kind === 'busy')
  return busy ? { ...busy, besides: sumOfRest(rest) } : sumOfRest(rest)
}

function sumOfRest(answers: readonly RestingAnswer[]): RestingAnswer {
  const failed = answers.find((answer) => answer.kind === 'failed')
  if (failed) return failed
  const said = answers.filter((answer) => answer.kind === 'said')
  const unclear = said.find((answer) => answer.unclear !== undefined)?.unclear
  return {
    kind: 'said',
    evidence: said.flatMap(({ evidence }) => evidence),
    ...(unclear === undefined ? {} : { unclear }),
    ...(said.some(({ hasTerminals }) => hasTerminals) ? { hasTerminals: true } : {}),
    ...(said.some(({ knowsPrograms }) => knowsPrograms) ? { knowsPrograms: true } : {}),
  }
}

/** Below the prefix that the app has in front of its own paths; the older apps of SageMaker serve it beside that. */
async function askEndpoint(parts: InquiryParts, entry: WorkspaceEntry, wish: IdleEndpoint): Promise<AppAnswer> {
  const port = portOf(entry, wish.port)
  const endpoint = port && entry.instance?.endpoints.get(port.port)
  if (!port || !endpoint) return { kind: 'failed', problem: `there is no port ${wish.port} to ask` }
  const place = { endpoint, isTls: wish.scheme === 'https' }
  let last: AppAnswer = { kind: 'failed', problem: 'it was not asked' }
  for (const path of pathsOf(parts, entry, port, wish.path)) {
    const { status, body } = await get(parts, place, path)
    if (status === 200) return readTime(body, wish.field, path)
    last = { kind: 'failed', problem: `it answered ${status} to ${sayPath(path)}` }
    if (status !== 404) return last
  }
  return last
}

function readTime(body: string, field: readonly string[], path: string): AppAnswer {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return { kind: 'failed', problem: `what it answered to ${sayPath(path)} is no JSON` }
  }
  for (const name of field) value = isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  const at = timeIn(value)
  if (at === undefined)
    return { kind: 'failed', problem: `what it answered to ${sayPath(path)} has no time in that field` }
  return { kind: 'said', evidence: [{ at, source: 'endpoint' }], knowsPrograms: true }
}

/** Every one that there is; other apps say nothing. */
async function askJupyters(parts: InquiryParts, entry: WorkspaceEntry): Promise<AppAnswer> {
  const asked = entry.ports.map((port): Promise<AppAnswer> | undefined => {
    const traffic = trafficAt(entry, port)
    const { profile } = traffic
    const mayBeJupyter = profile === 'jupyterlab' || (profile === 'generic' && port === entry.ports[0])
    return mayBeJupyter ? askJupyter(parts, entry, port, traffic) : undefined
  })
  return sumOf(await Promise.all(asked.filter((answer) => answer !== undefined)))
}

const silent: AppAnswer & { readonly kind: 'said' } = { kind: 'said', evidence: [] }

type List = readonly Readonly<Record<string, unknown>>[]

/** `absent`: it has no such list, and is no Jupyter that has one. `problem`: why it can't be told. */
type Listed = { readonly list: List } | { readonly absent: string } | { readonly problem: string }

async function askJupyter(
  parts: InquiryParts,
  entry: WorkspaceEntry,
  port: WorkspacePort,
  { profile, isActivity }: PortTraffic,
): Promise<AppAnswer> {
  const endpoint = entry.instance?.endpoints.get(port.port)
  if (!endpoint) return { kind: 'failed', problem: `there is no port ${port.port} to ask` }
  const [kernels, terminals] = await Promise.all([
    listOf(parts, entry, port, endpoint, 'kernels'),
    listOf(parts, entry, port, endpoint, 'terminals'),
  ])
  if (profile === 'generic') {
    if ('absent' in kernels) return silent
    if ('problem' in kernels) return { ...silent, unclear: 'app:strange-answer' }
  }
  if (!('list' in kernels)) return { kind: 'failed', problem: 'absent' in kernels ? kernels.absent : kernels.problem }
  // A Jupyter without terminals has no such list.
  if ('problem' in terminals) return { kind: 'failed', problem: terminals.problem }
  return told(kernels.list, 'list' in terminals ? terminals.list : [], isActivity)
}

/** Where nothing that is done there counts, what works does. */
function told(kernels: List, terminals: List, isActivity: boolean): AppAnswer {
  const states = kernels.map(({ execution_state: state }) => state)
  const times = [...lastActivities(kernels, 'app:kernel'), ...lastActivities(terminals, 'app:terminal')]
  const evidence = isActivity ? times : []
  const isClear = states.every((state) => state === 'idle' || state === 'dead' || state === 'busy')
  const rest: RestingAnswer = {
    ...{ kind: 'said', evidence },
    // One that never gets ready looks as one that is about to.
    ...(isClear ? {} : { unclear: 'app:kernel-state' }),
    ...(terminals.length > 0 ? { hasTerminals: true } : {}),
  }
  return states.includes('busy') ? { kind: 'busy', source: 'app:kernel-busy', besides: rest } : rest
}

async function listOf(
  parts: InquiryParts,
  entry: WorkspaceEntry,
  port: WorkspacePort,
  endpoint: Endpoint,
  name: 'kernels' | 'terminals',
): Promise<Listed> {
  // Its own clock of the last activity is not moved by being asked.
  const [path = ''] = pathsOf(parts, entry, port, `/api/${name}?no_track_activity=1`)
  const { status, isJson, body } = await get(parts, { endpoint, isTls: false }, path)
  const problem = `it answered ${status} to ${sayPath(path)}`
  if (status !== 200) return status === 404 ? { absent: problem } : { problem }
  const strange = `what it answered to ${sayPath(path)} is no list`
  try {
    const list: unknown = JSON.parse(body)
    if (Array.isArray(list) && list.every(isJsonObject)) return { list }
  } catch {
    // A page, where it does not even claim to be JSON; of terminals too such a one says nothing.
    if (!isJson && name === 'kernels') return { absent: strange }
  }
  return { problem: strange }
}

function sayPath(path: string): string {
  return path.split('?', 1)[0] ?? ''
}

function lastActivities(list: List, source: string): readonly Evidence[] {
  return list.flatMap(({ last_activity: time }) => {
    const at = timeIn(time)
    return at === undefined ? [] : [{ at, source }]
  })
}

function portOf({ ports }: WorkspaceEntry, wanted: number | string): WorkspacePort | undefined {
  const declared = ports.find(({ port, name }) => port === wanted || name === wanted)
  if (declared || typeof wanted === 'string') return declared
  // One that a pod declares and that has no URL of its own, such as a sidecar's.
  return { name: String(wanted), port: wanted, expose: false, path: 'strip' }
}

/** The one to try first, and the other one where the app may serve it at either. */
function pathsOf(
  { publicPath }: InquiryParts,
  entry: WorkspaceEntry,
  port: WorkspacePort,
  path: string,
): readonly string[] {
  const prefix = publicPath(entry.ref, port === entry.ports[0] ? undefined : port.port)
  const asProbe = (text: string) => {
    const question = questionOf({ ...port, probe: { httpGet: { path: text } } }, prefix)
    return question.kind === 'http' ? question.path : text
  }
  if (path.includes(baseUrl)) return [asProbe(path)]
  return [...new Set([asProbe(baseUrl + path), path])]
}

/** Throws when there is no answer in time. */
async function get({ dial, clock, signal }: InquiryParts, place: Place, path: string): Promise<Answer> {
  using deadline = deadlineOf(clock, answerWithin, signal)
  try {
    const socket = await dial(place.endpoint, deadline.signal)
    // An error that comes after the answer was judged concerns nobody any more.
    socket.on('error', () => undefined)
    try {
      return await ask(socket, place.isTls, path, deadline.signal)
    } finally {
      socket.destroy()
    }
  } catch (error) {
    if (!deadline.isPast()) throw error
    throw new Error(`it did not answer to ${sayPath(path)} within ${answerWithin / 1000} s`, { cause: error })
  }
}

async function ask(plain: Duplex, isTls: boolean, path: string, signal: AbortSignal): Promise<Answer> {
  // An instance has no name that a certificate could prove, and its address is confirmed by the runtime, as for plain HTTP.
  const socket = isTls ? overTls({ socket: plain, rejectUnauthorized: false }) : plain
  // Of the handshake: it closes the connection, which is told.
  if (isTls) socket.on('error', () => undefined)
  const asks = { 'user-agent': 'gatehouse', accept: 'application/json' }
  const answer = await answerOver(socket, path, asks, signal)
  if (answer.statusCode === 101) throw new Error('it answered with an upgrade')
  return readBody(answer)
}

async function readBody(answer: IncomingMessage): Promise<Answer> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of answer) {
    const bytes = Buffer.from(piece)
    length += bytes.length
    if (length > longestBody) throw new Error('its answer is too long')
    pieces.push(bytes)
  }
  const isJson = /\bjson\b/i.test(answer.headers['content-type'] ?? '')
  return { status: answer.statusCode ?? 0, isJson, body: Buffer.concat(pieces).toString('utf8') }
}
