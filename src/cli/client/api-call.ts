/** One request to a gateway, and its answer: JSON, nothing, or a refusal with the id that finds it in the gateway's log. */
import { type IncomingMessage, request } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Milliseconds } from '#lib/clock.ts'
import { deadlineOf } from '#lib/deadline.ts'
import { printable } from '#observe/printable.ts'
import type { Secret } from '#settings/secret.ts'
import { problemMediaType } from '#surface/problem.ts'
import { CliFault } from './cli-fault.ts'
import { type Deployment, parseJson, recordOf } from './deployments.ts'
import { dialGateway } from './dial.ts'
import type { PersonIo } from './person-io.ts'

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** As `surface/urls.ts` has it. */
  readonly path: string
  readonly body?: unknown
  /** `undefined`: in nobody's name. */
  readonly authorization: Secret | undefined
  readonly signal?: AbortSignal
}

export interface Answer {
  readonly status: number
  readonly requestId: string | undefined
  /** `undefined` where there was none. */
  readonly body: unknown
}

const limit: Milliseconds = 30_000
const longestBody = 16 * 1024 * 1024

/** Where it is, and by what it is reached. */
type Place = Pick<Deployment, 'url' | 'caFile'>
type CallIo = Pick<PersonIo, 'env' | 'clock' | 'signal'>

/** An answer below 300. Throws `unauthorized`, `not_found`, … as the gateway says, `no_gateway` for what is no answer of one, and as {@link dialGateway}. */
export async function call(place: Place, io: CallIo, wish: Call): Promise<Answer> {
  using deadline = deadlineOf(io.clock, limit, wish.signal ?? io.signal)
  try {
    const message = await open(place, io, wish, deadline.signal)
    const text = await textOf(message)
    return answerOf(message, text, place)
  } catch (error) {
    throw late(error, place, io, deadline.isPast())
  }
}

/** The answer as it comes, for streams of events; it has no deadline but the signal. Throws as {@link call}. */
export async function openStream(place: Place, io: CallIo, wish: Call): Promise<IncomingMessage> {
  const message = await open(place, io, wish, wish.signal ?? io.signal)
  if (message.statusCode === 200) return message
  return answerOf(message, await textOf(message), place) && message
}

function late(error: unknown, { url }: Place, io: CallIo, isPast: boolean): unknown {
  if (error instanceof CliFault && error.code !== 'interrupted') return error
  if (io.signal.aborted) return new CliFault('interrupted', 'given up', { cause: error })
  if (isPast) return new CliFault('timed_out', `${url} did not answer in ${limit / 1000} s`, { cause: error })
  return error instanceof CliFault
    ? error
    : new CliFault('unreachable', `the connection to ${url} broke: ${String(error)}`, { cause: error })
}

async function open(place: Place, io: CallIo, wish: Call, signal: AbortSignal): Promise<IncomingMessage> {
  const { method, path, body, authorization } = wish
  const socket = await dialGateway(place, io, signal)
  const text = body === undefined ? undefined : JSON.stringify(body)
  const headers = {
    Host: new URL(place.url).host,
    Accept: 'application/json, text/event-stream',
    'User-Agent': 'gatehouse',
    Connection: 'close',
    ...(text === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }),
    ...(authorization ? { Authorization: `Bearer ${authorization.reveal()}` } : {}),
  }
  return sent(socket, { method, path, headers }, text, signal)
}

function sent(
  socket: Duplex,
  head: { method: string; path: string; headers: Readonly<Record<string, string | number>> },
  body: string | undefined,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      ...head,
      createConnection: () => socket,
      setDefaultHeaders: false,
      signal,
    })
    outgoing.once('error', reject)
    outgoing.once('response', resolve)
    outgoing.end(body)
  })
}

async function textOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of message) {
    const piece = Buffer.from(chunk)
    bytes += piece.length
    if (bytes > longestBody) throw new CliFault('no_gateway', 'the answer is too long')
    chunks.push(piece)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function answerOf({ statusCode: status = 0, headers }: IncomingMessage, text: string, { url }: Place): Answer {
  const own = headers['x-request-id']
  const requestId = typeof own === 'string' ? printable(own, 64) : undefined
  const type = headers['content-type'] ?? ''
  if (type.startsWith(problemMediaType)) throw refusalOf(status, text, requestId)
  if (status === 204) return { status, requestId, body: undefined }
  const body = type.startsWith('application/json') ? parseJson(text) : undefined
  if (status >= 200 && status < 300 && body !== undefined) return { status, requestId, body }
  throw new CliFault('no_gateway', `${url} answered ${status} as no Gatehouse does`, {
    ...{ requestId, status },
    hint: 'Is this the URL of the console, and does every proxy in between let it through?',
  })
}

/** Its words are the gateway's; they are shown, so they are made fit for a terminal. */
export function refusalOf(status: number, text: string, requestId: string | undefined): CliFault {
  const problem = recordOf(parseJson(text))
  const word = (key: string) => (typeof problem?.[key] === 'string' ? printable(problem[key]) : undefined)
  const faults = Array.isArray(problem?.faults) ? problem.faults.flatMap(faultWords) : []
  const said = [word('title') ?? `The gateway answered ${status}.`, word('detail'), ...faults]
  return new CliFault(word('code') ?? 'refused', said.filter((part) => part !== undefined).join(' '), {
    status,
    requestId,
  })
}

function faultWords(value: unknown): readonly string[] {
  const { field, message } = recordOf(value) ?? {}
  return typeof field === 'string' && typeof message === 'string' ? [printable(`${field}: ${message}`)] : []
}
