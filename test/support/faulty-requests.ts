/**
 * Loaded into a Gatehouse before it starts: a request with `X-Test-Fault: rejection` leaves a rejected promise behind that nobody waits for, with
 * `exception` a timer that throws, with `exceptions` one more half a second later; with a number n, reading it fails at the n-th time that Gatehouse asks for its method, target, version or header.
 */
import { IncomingMessage, Server } from 'node:http'

const { emit } = Server.prototype
/** Of who asks. */
const isOurs = /\/(?:src|routes)\/[^)]*\.ts:/
const properties = ['method', 'url', 'httpVersion', 'rawHeaders'] as const

Server.prototype.emit = function emitFaulty(this: Server, event: string | symbol, ...args: unknown[]): boolean {
  const [request] = args
  if (request instanceof IncomingMessage) arm(request)
  return Reflect.apply(emit, this, [event, ...args])
}

function throwFault(): void {
  throw new Error('a fault of a test, with Authorization: Bearer abcdef0123456789')
}

function arm(request: IncomingMessage): void {
  const wanted = request.headers['x-test-fault']
  if (typeof wanted !== 'string') return
  if (wanted === 'rejection') void Promise.reject(new Error('a fault of a test'))
  if (wanted.startsWith('exception')) setTimeout(throwFault, 0)
  if (wanted === 'exceptions') setTimeout(throwFault, 500)
  let left = Number(wanted)
  for (const name of properties) {
    let value: unknown = request[name]
    Object.defineProperty(request, name, {
      configurable: true,
      get() {
        const fault = new Error('a fault of a test')
        if (isOurs.test(fault.stack?.split('\n')[2] ?? '')) left -= 1
        if (left !== 0) return value
        left = Number.NaN
        throw fault
      },
      set(next: unknown) {
        value = next
      },
    })
  }
}
