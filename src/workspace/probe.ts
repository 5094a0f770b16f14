/** One try of Gatehouse's own readiness probe: does this port answer? It asks the app itself, whatever the runtime says of it. */
import { type IncomingMessage, request } from 'node:http'
import type { OnReadOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import { messageOf } from '#errors.ts'
import type { HoldWish } from '#resume/hold.ts'
import type { Endpoint } from '#runtime/contract.ts'
import type { PortProbe, WorkspacePort } from './workspace.ts'

export type Dial = (endpoint: Endpoint, signal: AbortSignal, reading?: OnReadOpts, hold?: HoldWish) => Promise<Duplex>

/** What is asked of a port: a connection, or an answer of 200–399 to a GET of `path`. */
export type Question = { readonly kind: 'tcp' } | { readonly kind: 'http'; readonly path: string }

/**
 * `${baseUrl}` in the path is what the app has in front of its own paths, without the slash at the end: the public prefix where the port
 * preserves it (empty in host mode), the subpath where the prefix is stripped, because that app never sees the public one.
 */
export function questionOf(port: WorkspacePort, publicPrefix: string): Question {
  const probe: PortProbe = port.probe ?? { tcp: {} }
  if (!('httpGet' in probe)) return { kind: 'tcp' }
  const base = port.path === 'strip' ? (port.subpath ?? '/') : publicPrefix
  const path = probe.httpGet.path.replaceAll(baseUrl, base.replace(/\/+$/, ''))
  return { kind: 'http', path: path.startsWith('/') ? path : `/${path}` }
}

/** What an app has in front of its own paths. Written in pieces because it is no template of this language. */
export const baseUrl = '$' + '{baseUrl}'

/** RFC 9112 section 3.2: a request target is visible ASCII. */
const targetPattern = /^\/[\x21-\x7e]*$/

/** `undefined` when it answers, else why not, for people. Takes no longer than the signal lets it, and leaves no connection. */
export async function ask(
  question: Question,
  endpoint: Endpoint,
  dial: Dial,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (question.kind === 'http' && !targetPattern.test(question.path)) return 'the path of its probe is not a valid one'
  let socket: Duplex
  try {
    socket = await dial(endpoint, signal)
  } catch (error) {
    return messageOf(error)
  }
  try {
    if (question.kind === 'tcp') return undefined
    return await get(question.path, socket, signal)
  } catch (error) {
    return messageOf(error)
  } finally {
    // An error that comes after the answer was judged concerns nobody any more.
    socket.on('error', () => undefined)
    socket.destroy()
  }
}

async function get(path: string, socket: Duplex, signal: AbortSignal): Promise<string | undefined> {
  const asks = { 'user-agent': 'gatehouse-probe', accept: '*/*' }
  const { statusCode: status = 0 } = await answerOver(socket, path, asks, signal)
  return status >= 200 && status <= 399 ? undefined : `it answered ${status} to ${path}`
}

/** What an app answers to a GET by this connection, which is for nothing else; a 101 is an answer as any. Rejects where none comes. */
export function answerOver(
  socket: Duplex,
  path: string,
  headers: Readonly<Record<'user-agent' | 'accept', string>>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request({
      createConnection: () => socket,
      path,
      // Apps check the first against rebinding; every one takes this for itself.
      headers: { host: 'localhost', ...headers, connection: 'close' },
      signal,
    })
    asked.once('response', resolve)
    asked.once('upgrade', resolve)
    asked.on('error', reject)
    asked.once('close', () => reject(new Error('it closed the connection without an answer')))
    asked.end()
  })
}
