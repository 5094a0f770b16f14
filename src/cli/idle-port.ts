/**
 * Answers on the pod's loopback when its workspace was last active, to an operator of somebody else's that asks there and stops the workspace by it. Nothing is
 * kept: each question is the gateway's to answer, now or not at all, and what is not known is never told.
 */
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { call } from '#cli/client/api-call.ts'
import { type Deployment, recordOf } from '#cli/client/deployments.ts'
import { messageOf } from '#errors.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import { deadlineOf } from '#lib/deadline.ts'
import { singleFlight } from '#lib/single-flight.ts'
import type { Environment } from '#settings/environment.ts'
import { Secret } from '#settings/secret.ts'
import { paths } from '#surface/urls.ts'

export interface IdlePortParts {
  readonly port: number
  readonly gateway: Pick<Deployment, 'url' | 'caFile'> & {
    readonly at: { readonly host: string; readonly port: number } | undefined
  }
  /** A token of the pod, whose audience is the gateway's URL and {@link paths.lastActive}. */
  readonly tokenFile: string
  readonly env: Environment
  readonly clock: Clock
  /** Ends it. */
  readonly signal: AbortSignal
  /** One line, for people. */
  readonly say: (what: string) => void
}

/** The operator waits without an end of its own, and asks nobody else meanwhile. */
const answerWithin: Milliseconds = 5_000
/** Somebody else in the pod has the port. */
const listenAgain: Milliseconds = 10_000
/** Whoever comes beyond these is closed at once. */
const mostConnections = 32

/** Until the signal. */
export async function keepIdlePort(parts: IdlePortParts): Promise<void> {
  const { signal, clock, port, say } = parts
  const once = singleFlight<'answer', string>()
  let isTold: boolean | undefined
  const answer = async () => {
    const text = await once('answer', () => ask(parts)).catch((error: unknown) => {
      if (isTold !== false) say(`nobody can say now when the workspace was last active: ${messageOf(error)}`)
      isTold = false
      return undefined
    })
    if (text === undefined) return undefined
    if (isTold === false) say('it is known again when the workspace was last active')
    isTold = true
    return text
  }
  while (!signal.aborted) {
    const server = createServer({ keepAlive: false }, (request, response) => void respond(request, response, answer))
    server.maxConnections = mostConnections
    const why = await listening(server, port, signal)
    if (signal.aborted) return
    say(`--idle-port ${port}: ${why}`)
    await sleep(clock, listenAgain, signal).catch(() => undefined)
  }
}

/** Settles with why it does not listen, or does no more. */
export function listening(server: Server, port: number, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const stop = () => {
      server.close()
      server.closeAllConnections()
    }
    const end = (why: string) => {
      signal.removeEventListener('abort', stop)
      // One that fails while it listens would keep the port from the next one.
      stop()
      resolve(why)
    }
    signal.addEventListener('abort', stop, { once: true })
    // More than once: what fails after the first is of nobody's concern, and ends no process.
    server.on('error', (error) => end(messageOf(error)))
    server.once('close', () => end('it was closed'))
    // The pod's own loopback: nobody else has any business here.
    server.listen(port, '127.0.0.1')
  })
}

/** Never 404, by which the operator would stop asking for ever: what is not known holds for this moment. */
async function respond(
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
  answer: () => Promise<string | undefined>,
): Promise<void> {
  // Below whatever the app has in front of its own paths.
  const isAsked = method === 'GET' && url.endsWith(paths.lastActive)
  const lastActiveTimestamp = isAsked ? await answer() : undefined
  const body = lastActiveTimestamp === undefined ? { error: 'not known' } : { lastActiveTimestamp }
  response.writeHead(lastActiveTimestamp === undefined ? 503 : 200, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    Connection: 'close',
  })
  response.end(JSON.stringify(body))
}

/** Throws where the gateway does not say. */
async function ask({ gateway, tokenFile, env, clock, signal }: IdlePortParts): Promise<string> {
  using deadline = deadlineOf(clock, answerWithin, signal)
  // A token is replaced long before it runs out.
  const authorization = new Secret((await readFile(tokenFile, 'utf8')).trim())
  const wish = { method: 'GET', path: paths.lastActive, authorization, signal: deadline.signal } as const
  const { body } = await call(gateway, { env, clock, signal }, wish)
  const told = recordOf(body)?.lastActiveTimestamp
  if (typeof told === 'string') return told
  throw new Error(`${gateway.url} says something else than it should`)
}
