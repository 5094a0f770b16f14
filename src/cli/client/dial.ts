/**
 * The one way to a gateway: straight or through a proxy, TLS with whatever authorities are trusted here. Requests and tunnels begin with it.
 * A certificate that is not trusted is a fault, and nothing turns that off.
 */
import { readFile } from 'node:fs/promises'
import { connect as connectTcp, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, getCACertificates, rootCertificates } from 'node:tls'
import type { Milliseconds } from '#lib/clock.ts'
import { deadlineOf } from '#lib/deadline.ts'
import { isLocalhostName, localhostLookup } from '#lib/localhost-lookup.ts'
import { CliFault } from './cli-fault.ts'
import type { Deployment } from './deployments.ts'
import type { PersonIo } from './person-io.ts'
import { codeOf } from './private-file.ts'
import { type ProxyServer, proxyFor } from './proxy-choice.ts'

type Place = Pick<Deployment, 'url' | 'caFile'> & {
  /** Where it is connected to, instead of to whoever its name is; by no proxy. Who it is, is judged by its name all the same. */
  readonly at?: { readonly host: string; readonly port: number } | undefined
}
type DialIo = Pick<PersonIo, 'env' | 'clock' | 'signal'>

const limit: Milliseconds = 15_000
/** For each address of a name, where it has several. */
const attempt: Milliseconds = 3_000

/** A connection to the gateway that is ready for HTTP/1.1. Throws `unreachable`, `proxy_failed`, `certificate_refused`, `timed_out`, `interrupted`. */
export async function dialGateway(place: Place, io: DialIo, signal: AbortSignal = io.signal): Promise<Duplex> {
  using deadline = deadlineOf(io.clock, limit, signal)
  const url = new URL(place.url)
  try {
    const isTls = url.protocol === 'https:'
    const ca = isTls ? await trustOf(place, io) : undefined
    const proxy = place.at ? undefined : proxyFor(url, io.env)
    const { host, port } = place.at ?? { host: hostOf(url), port: portOf(url) }
    const socket = proxy
      ? await throughProxy(proxy, url, deadline.signal)
      : await connected(host, port, deadline.signal)
    return isTls ? await secured(socket, hostOf(url), ca, deadline.signal) : socket
  } catch (error) {
    throw faultOf(error, url, { isLate: deadline.isPast(), isOver: signal.aborted })
  }
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
}

function connected(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const socket = connectTcp({
      host,
      port,
      noDelay: true,
      // Node's own quarter of a second for each address but the last is less than a far gateway, or a machine that is busy, takes.
      autoSelectFamilyAttemptTimeout: attempt,
      ...(isLocalhostName(host) ? { lookup: localhostLookup } : {}),
    })
    settle(socket, 'connect', signal, resolve, reject)
  })
}

/** Resolves with the socket at that event; at its failure or the signal's it is destroyed. */
function settle<S extends Socket>(
  socket: S,
  event: string,
  signal: AbortSignal,
  resolve: (socket: S) => void,
  reject: (error: unknown) => void,
): void {
  const stop = () => socket.destroy(signal.reason instanceof Error ? signal.reason : new Error('given up'))
  signal.addEventListener('abort', stop, { once: true })
  const onError = (error: unknown) => {
    signal.removeEventListener('abort', stop)
    giveUp(socket)
    reject(error)
  }
  const onClose = () => onError(new Error('the connection was closed'))
  socket.once('error', onError).once('close', onClose)
  socket.once(event, () => {
    signal.removeEventListener('abort', stop)
    socket.off('error', onError).off('close', onClose)
    resolve(socket)
  })
}

/** An open connection keeps the process, and a fault that nobody listens for ends it. */
function giveUp(socket: Socket): void {
  socket.on('error', () => undefined).destroy()
}

/** `ca: undefined` is what Node trusts by itself, `NODE_EXTRA_CA_CERTS` included. */
async function trustOf({ caFile }: Place, { env }: DialIo): Promise<readonly string[] | undefined> {
  if (caFile === undefined) return undefined
  const own = await pemOf(caFile)
  // Node 22.15 has it; before, `ca` takes the place of the variable's authorities too.
  if (typeof getCACertificates === 'function') return [...getCACertificates('default'), own]
  const extra = env.NODE_EXTRA_CA_CERTS ?? ''
  return [...rootCertificates, ...(extra === '' ? [] : [await pemOf(extra)]), own]
}

async function pemOf(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new CliFault('certificate_refused', `the authorities in ${path} could not be read: ${String(error)}`)
  })
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new CliFault('certificate_refused', `there is no certificate in ${path}`)
}

/** By TLS on that socket, which is closed where it fails. */
function secured(
  socket: Socket,
  host: string,
  ca: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const opened = new Promise<Socket>((resolve, reject) => {
    signal.throwIfAborted()
    const name = /^[\d.]+$|:/.test(host) ? {} : { servername: host }
    const tls = connectTls({ socket, host, ...name, ALPNProtocols: ['http/1.1'], ...(ca ? { ca: [...ca] } : {}) })
    settle(tls, 'secureConnect', signal, resolve, reject)
  })
  return opened.catch((error: unknown) => {
    giveUp(socket)
    throw error
  })
}

/** RFC 9110 section 9.3.6. */
async function throughProxy(proxy: ProxyServer, target: URL, signal: AbortSignal): Promise<Socket> {
  try {
    const plain = await connected(proxy.host, proxy.port, signal)
    const socket = proxy.isTls ? await secured(plain, proxy.host, undefined, signal) : plain
    const authority = `${target.hostname}:${portOf(target)}`
    const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`]
    if (proxy.authorization) lines.push(`Proxy-Authorization: ${proxy.authorization.reveal()}`)
    const status = await asked(socket, `${lines.join('\r\n')}\r\n\r\n`, signal)
    if (status === 200) return socket
    giveUp(socket)
    const hint =
      status === 407 ? { hint: `It wants a user and a password: ${proxy.variable}=http://USER:PASSWORD@…` } : {}
    throw new CliFault('proxy_failed', `the proxy of ${proxy.variable} answered ${status}`, hint)
  } catch (error) {
    if (error instanceof CliFault || signal.aborted) throw error
    throw new CliFault('proxy_failed', `the proxy of ${proxy.variable} does not answer: ${String(error)}`, {
      cause: error,
    })
  }
}

const longestHead = 16 * 1024

/** Sends it and reads one head, and not a byte behind it: what follows belongs to the gateway. Resolves with the status; where there is none, the socket is closed. */
function asked(socket: Socket, text: string, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    let head = ''
    const stop = () => fail(signal.reason)
    const onEnd = () => fail(new Error('it closed the connection'))
    const onReadable = () => {
      for (let byte = socket.read(1); byte !== null; byte = socket.read(1)) {
        head += String.fromCharCode(byte[0])
        if (!head.endsWith('\r\n\r\n') && head.length <= longestHead) continue
        const status = statusOf(head)
        if (status === undefined) return fail(new Error('its answer is no HTTP'))
        leave()
        return resolve(status)
      }
    }
    const leave = () => {
      signal.removeEventListener('abort', stop)
      socket.off('readable', onReadable).off('error', onEnd).off('close', onEnd)
    }
    const fail = (reason: unknown) => {
      leave()
      giveUp(socket)
      reject(reason)
    }
    if (signal.aborted) return stop()
    signal.addEventListener('abort', stop, { once: true })
    socket.on('readable', onReadable).once('error', onEnd).once('close', onEnd)
    socket.write(text)
  })
}

/** `undefined` for what is no whole head of HTTP/1. */
function statusOf(head: string): number | undefined {
  const status = Number(/^HTTP\/1\.[01] (\d{3})[ \r]/.exec(head)?.[1])
  return head.endsWith('\r\n\r\n') && status > 0 ? status : undefined
}

/** Codes of OpenSSL's verification, as Node has them. */
const untrusted =
  /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA)/

function faultOf(error: unknown, url: URL, { isLate, isOver }: { isLate: boolean; isOver: boolean }): unknown {
  if (isOver) return new CliFault('interrupted', 'given up', { cause: error })
  if (isLate) return new CliFault('timed_out', `${url.origin} did not answer in ${limit / 1000} s`, { cause: error })
  if (error instanceof CliFault) return error
  const code = codeOf(error) ?? ''
  if (untrusted.test(code)) {
    return new CliFault('certificate_refused', `the certificate of ${url.origin} is not trusted here (${code})`, {
      hint: 'If an authority of your own has issued it: NODE_EXTRA_CA_CERTS=FILE, or "gatehouse login --ca-file FILE".',
      cause: error,
    })
  }
  return new CliFault('unreachable', `${url.origin} is not reached: ${code === '' ? String(error) : code}`, {
    cause: error,
  })
}
