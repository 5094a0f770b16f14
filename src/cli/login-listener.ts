/** Where the browser comes back to: a listener on loopback that takes one answer, with the state that this login began with (RFC 8252 section 7.3). */
import { timingSafeEqual } from 'node:crypto'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { CliFault } from '#cli/client/cli-fault.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import type { Milliseconds } from '#lib/clock.ts'

export interface LoginListener extends AsyncDisposable {
  readonly redirectUri: string
  /** Rejects with `declined`, `timed_out` or `interrupted`. */
  readonly code: Promise<string>
}

/** As long as the page that asks is good. */
const longest: Milliseconds = 10 * 60_000
const path = '/done'

export async function loginListener(
  state: string,
  { clock, signal }: Pick<PersonIo, 'clock' | 'signal'>,
): Promise<LoginListener> {
  const code = Promise.withResolvers<string>()
  // Nobody waits for it when the browser could not be opened.
  code.promise.catch(() => undefined)
  const answers = new Set<Promise<unknown>>()
  const server = createServer((request, response) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    answers.add(promise)
    response.once('close', resolve)
    const query = answerOf(request.url ?? '', request.method ?? '', state)
    if (!query) return answer(response, 404, 'There is nothing here.')
    const given = query.get('code')
    if (given === null) {
      code.reject(new CliFault('declined', 'the browser said no'))
      return answer(response, 200, 'This machine is not logged in. You may close this window.')
    }
    code.resolve(given)
    return answer(response, 200, 'This machine is logged in. You may close this window.')
  })
  await listening(server)
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const timer = clock.after(longest, () => code.reject(new CliFault('timed_out', 'nobody agreed in ten minutes')))
  const stop = () => code.reject(new CliFault('interrupted', 'given up'))
  signal.addEventListener('abort', stop, { once: true })
  return {
    redirectUri: `http://127.0.0.1:${port}${path}`,
    code: code.promise,
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      signal.removeEventListener('abort', stop)
      const closed = new Promise((resolve) => server.close(resolve))
      await Promise.all(answers)
      // Browsers open connections that they send nothing on, and the code is not good for as long as those stay.
      server.closeAllConnections()
      await closed
    },
  }
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
}

/** Any page could send a browser here; only the one that was asked knows the state. */
function answerOf(target: string, method: string, state: string): URLSearchParams | undefined {
  const [at, text = ''] = target.split('?', 2)
  const query = new URLSearchParams(text)
  const given = Buffer.from(query.get('state') ?? '')
  const own = Buffer.from(state)
  const isOurs = method === 'GET' && at === path && given.length === own.length && timingSafeEqual(given, own)
  return isOurs ? query : undefined
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    Connection: 'close',
  })
  response.end(`${text}\n`)
}
