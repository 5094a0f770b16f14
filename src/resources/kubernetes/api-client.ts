/**
 * HTTP to the API server: bounded in time and size, never redirected, refusals as errors by code. Knows no kind of object.
 *
 * @example
 * const client = openApiClient({ access: kubeconfigAccess({ file, clock }), clock, signal })
 * const review = await client.post('/apis/authorization.k8s.io/v1/subjectaccessreviews', body)
 */
import { Agent, errors } from 'undici'
import { GatewayError, messageOf } from '#errors.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import { type Deadline, deadlineOf } from '#lib/deadline.ts'
import type { ApiAccess, ApiConnection, ApiTls } from './api-access.ts'
import { apiFault, parseRetryAfter } from './api-fault.ts'
import { linesOf } from './json-lines.ts'
import { JsonListReader } from './json-list.ts'
import type { ServerClock } from './server-clock.ts'

export interface ApiCall {
  readonly signal?: AbortSignal | undefined
  /** For the whole answer; 15 s. */
  readonly within?: Milliseconds
  /** `application/json` unless something else is asked for. */
  readonly accept?: string
}

/** RFC 7396, RFC 6902. */
export type PatchForm = 'application/merge-patch+json' | 'application/json-patch+json'

/**
 * Paths begin with `/api/` or `/apis/` and are made by {@link resourcePath}, queries included. All throw `store_unavailable` (no connection, no
 * answer in time, 429 and 5xx; with `retryAfter` where the server says so), `store_refused` (401, and 403 for want of a right), and what
 * {@link apiFault} makes of other refusals. A call that the server put off (429) is made again after the time it names, as long as that is short.
 */
export interface ApiClient {
  get(path: string, call?: ApiCall): Promise<unknown>
  /** What {@link get} gives of a list, but its items one by one, as they come; a call that fails may have handed on some of them. */
  list(path: string, call: ApiCall & { readonly onItem: (item: unknown) => void }): Promise<unknown>
  post(path: string, body: unknown, call?: ApiCall): Promise<unknown>
  patch(path: string, form: PatchForm, body: unknown, call?: ApiCall): Promise<unknown>
  delete(path: string, body: unknown, call?: ApiCall): Promise<unknown>
  /** Plain text, such as a log: at most its first `longest` bytes. */
  text(path: string, call: ApiCall & { readonly longest: number }): Promise<string>
  /**
   * Each line as JSON, until the server or the signal ends it; the signal by throwing. `within` is for the head of the answer; a stream that
   * has not ended after `lasts` hangs, and is given up with `store_unavailable`.
   */
  lines(path: string, call: ApiCall & { readonly lasts: Milliseconds }): AsyncGenerator<unknown, void, void>
}

export interface ApiClientOptions {
  readonly access: ApiAccess
  readonly clock: Clock
  /** Is told the date of every answer that is no refusal. */
  readonly serverClock?: ServerClock
  /** Ends every request and connection. */
  readonly signal: AbortSignal
}

/** Bytes. A page of 500 objects is a few megabytes, and etcd takes none above 1.5 MB; several times this is in memory while it is read. */
export const longestAnswer = 16 * 1024 * 1024
const usualLimit: Milliseconds = 15_000
const headLimit: Milliseconds = 10_000
const connectLimit: Milliseconds = 5_000
/** More at once would only queue at the server (API priority and fairness). Watches are not counted. */
const mostConnections = 32
const mostTries = 4
const longestWait: Milliseconds = 5_000

/** An answer of more than {@link longestAnswer}: a smaller page may do. */
export class AnswerTooLong extends GatewayError {
  constructor() {
    super('store_unavailable', `an answer of the API server is over ${longestAnswer} bytes`)
  }
}

export function openApiClient(options: ApiClientOptions): ApiClient {
  return new Client(options)
}

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

interface Request extends ApiCall {
  readonly method: Method
  readonly path: string
  readonly body?: unknown
  readonly contentType?: string
}

type Answer = Awaited<ReturnType<Agent['request']>>

interface Agents {
  readonly tls: ApiTls
  readonly calls: Agent
  readonly streams: Agent
}

class Client implements ApiClient {
  readonly #access: ApiAccess
  readonly #clock: Clock
  readonly #serverClock: ServerClock | undefined
  readonly #signal: AbortSignal
  #agents: Agents | undefined

  constructor({ access, clock, serverClock, signal }: ApiClientOptions) {
    this.#access = access
    this.#clock = clock
    this.#serverClock = serverClock
    this.#signal = signal
    signal.addEventListener('abort', () => this.#destroy(), { once: true })
  }

  get(path: string, call: ApiCall = {}): Promise<unknown> {
    return this.#json({ ...call, method: 'GET', path })
  }

  async list(path: string, call: ApiCall & { readonly onItem: (item: unknown) => void }): Promise<unknown> {
    const request: Request = { ...call, method: 'GET', path }
    return this.#within(request, async (deadline) => {
      const { body } = await this.#send(request, 'calls', deadline.signal)
      const reader = new JsonListReader(call.onItem)
      for await (const chunk of body) if (Buffer.isBuffer(chunk)) reader.take(chunk)
      return reader.end()
    })
  }

  post(path: string, body: unknown, call: ApiCall = {}): Promise<unknown> {
    return this.#json({ ...call, method: 'POST', path, body })
  }

  patch(path: string, form: PatchForm, body: unknown, call: ApiCall = {}): Promise<unknown> {
    return this.#json({ ...call, method: 'PATCH', path, body, contentType: form })
  }

  delete(path: string, body: unknown, call: ApiCall = {}): Promise<unknown> {
    return this.#json({ ...call, method: 'DELETE', path, body })
  }

  async text(path: string, call: ApiCall & { readonly longest: number }): Promise<string> {
    const request: Request = { accept: '*/*', ...call, method: 'GET', path }
    return this.#within(request, async (deadline) => {
      const { body } = await this.#send(request, 'calls', deadline.signal)
      const chunks: Buffer[] = []
      let rest = call.longest
      for await (const chunk of body) {
        if (!Buffer.isBuffer(chunk)) continue
        chunks.push(chunk.subarray(0, rest))
        rest -= chunk.length
        if (rest <= 0) break
      }
      return Buffer.concat(chunks).toString('utf8')
    })
  }

  async *lines(path: string, call: ApiCall & { readonly lasts: Milliseconds }): AsyncGenerator<unknown, void, void> {
    const request: Request = { ...call, method: 'GET', path }
    using whole = deadlineOf(this.#clock, call.lasts, call.signal)
    try {
      const { body } = await this.#within({ within: headLimit, ...call, signal: whole.signal }, (deadline) =>
        this.#send(request, 'streams', deadline.signal),
      )
      yield* linesOf(body)
    } catch (error) {
      if (whole.isPast()) {
        throw new GatewayError('store_unavailable', `a stream of the API server hung for ${call.lasts} ms`, {
          cause: error,
        })
      }
      call.signal?.throwIfAborted()
      throw unavailable(error)
    }
  }

  async #json(request: Request): Promise<unknown> {
    return this.#within(request, async (deadline) => {
      const answer = await this.#send(request, 'calls', deadline.signal)
      return answer.body.json()
    })
  }

  /** Ends `run` in time, and says of every fault of the network what it means. */
  async #within<R>(request: ApiCall, run: (deadline: Deadline) => Promise<R>): Promise<R> {
    const { within = usualLimit, signal } = request
    using deadline = deadlineOf(this.#clock, within, signal)
    try {
      return await run(deadline)
    } catch (error) {
      if (deadline.isPast()) {
        throw new GatewayError('store_unavailable', `the API server gave no answer within ${within} ms`, {
          cause: error,
        })
      }
      signal?.throwIfAborted()
      throw unavailable(error)
    }
  }

  /** An answer of 2xx whose body is still to be read. */
  async #send(request: Request, over: 'calls' | 'streams', signal: AbortSignal): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      const connection = await this.#access.current()
      const sentAt = this.#clock.now()
      const answer = await this.#agentsFor(connection)[over].request({
        origin: connection.origin,
        path: connection.prefix + request.path,
        method: request.method,
        headers: { ...headersOf(request), ...connection.headers() },
        body: request.body === undefined ? null : JSON.stringify(request.body),
        signal,
      })
      if (answer.statusCode >= 200 && answer.statusCode < 300) {
        // Of a refusal it may be the date of whoever stands in front of the API server.
        this.#serverClock?.heard(answer.headers.date, sentAt)
        return answer
      }
      const fault = apiFault(answer.statusCode, await bodyOf(answer), parseRetryAfter(answer.headers['retry-after']))
      const wait = this.#pauseAfter(fault.answered, fault.retryAfter, attempt)
      if (wait === undefined) throw fault
      await sleep(this.#clock, wait, signal)
    }
  }

  /** `undefined`: not again. Neither 401 nor 429 has had an effect, so that whatever was asked may be asked again. */
  #pauseAfter(status: number, retryAfter: Milliseconds | undefined, attempt: number): Milliseconds | undefined {
    if (status === 401 && attempt === 1) {
      this.#access.renew()
      return 0
    }
    if (status !== 429 || retryAfter === undefined || retryAfter > longestWait) return undefined
    return attempt < mostTries ? retryAfter * (1 + Math.random() / 4) : undefined
  }

  #destroy(): void {
    const { calls, streams } = this.#agents ?? {}
    for (const agent of [calls, streams]) agent?.destroy().catch(() => undefined)
  }

  #agentsFor({ tls }: ApiConnection): Agents {
    if (this.#signal.aborted) throw new GatewayError('store_unavailable', 'the connection to the API server is closed')
    const former = this.#agents
    if (former?.tls === tls) return former
    // Each watch has a connection of its own: one that hangs holds up nothing else, which streams of one HTTP/2 connection would.
    const connect = { ...tls, timeout: connectLimit, allowH2: false, keepAliveInitialDelay: 10_000 }
    const usual = { connect, allowH2: false, headersTimeout: 0, bodyTimeout: 0 }
    this.#agents = {
      tls,
      calls: new Agent({ ...usual, connections: mostConnections, maxResponseSize: longestAnswer }),
      streams: new Agent(usual),
    }
    // What still runs over the old certificates may end by itself.
    for (const agent of former ? [former.calls, former.streams] : []) agent.close().catch(() => undefined)
    return this.#agents
  }
}

function headersOf(request: Request): Readonly<Record<string, string>> {
  const accept = request.accept ?? 'application/json'
  const contentType = request.contentType ?? 'application/json'
  const base = { accept, 'user-agent': 'gatehouse' }
  return request.body === undefined ? base : { ...base, 'content-type': contentType }
}

async function bodyOf({ body, headers }: Answer): Promise<unknown> {
  const isJson = String(headers['content-type'] ?? '').startsWith('application/json')
  return isJson ? body.json() : body.text()
}

/** Whatever is no refusal of the server is the network's, or an answer of something else in between. */
function unavailable(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof errors.ResponseExceededMaxSizeError) return new AnswerTooLong()
  return new GatewayError('store_unavailable', `the API server can't be reached: ${messageOf(error)}`, { cause: error })
}
