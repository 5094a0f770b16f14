/**
 * `gatehouse agent`: runs beside a workspace in its pod, connects to the gateway, and leads what comes from there to ports on the pod's own loopback. So
 * nothing has to be able to connect to the pod, and its apps need to listen for nobody else. It also tells there when the workspace was last active.
 */
import { readFile } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import { parseArgs } from 'node:util'
import { dialGateway } from '#cli/client/dial.ts'
import { messageOf } from '#errors.ts'
import type { Clock } from '#lib/clock.ts'
import { stayAlive } from '#lib/stay-alive.ts'
import { AgentEnd } from '#link/agent-end.ts'
import { holdProtocol } from '#link/frames.ts'
import { openLink } from '#link/handshake.ts'
import { type Coming, KeptLinks } from '#link/kept-links.ts'
import { LinkSocket, linkCodes } from '#link/link-socket.ts'
import { printable } from '#observe/printable.ts'
import { HeldStreams } from '#resume/held-streams.ts'
import { connectTo, refusedPorts } from '#runtime/connection.ts'
import { paths } from '#surface/urls.ts'
import type { CommandIo } from './check-config.ts'
import { keepIdlePort } from './idle-port.ts'

export interface AgentIo extends CommandIo {
  readonly clock: Clock
  /** Ends it. */
  readonly signal: AbortSignal
}

export const usualTokenFile = '/var/run/secrets/gatehouse.dev/agent/token'
const usualIdleTokenFile = '/var/run/secrets/gatehouse.dev/agent/idle-token'

const usage = 'usage: gatehouse agent --gateway URL [--ports PORT,…] [--idle-port PORT] [FLAG ...]\n'
const help = `${usage}
Beside a workspace in its pod: connects to the gateway, and leads what comes from there to these ports of the pod's loopback, and to no other. Tells the
operator that stops workspaces, where that asks on the pod's loopback, when this one was last active. One of the two, or both.

  --gateway URL        of the gateway, as browsers know it: https://ws.example.com
  --ports PORT,…       the ports of the workspace: 8888,2222; never 22
  --token-file FILE    a token of the pod, whose audience is the gateway's URL and ${paths.agent};
                       default: ${usualTokenFile}
  --idle-port PORT     where it answers GET …${paths.lastActive} on 127.0.0.1
  --idle-token-file FILE  a token of the pod for that, whose audience is the gateway's URL and
                       ${paths.lastActive}; default: ${usualIdleTokenFile}
  --connect HOST:PORT  where to connect to, if that is not where its name leads: a Service of the cluster
  --ca-file FILE       PEM of further authorities that the gateway's certificate may come from
  --insecure-http      lets the token travel in the clear, to a gateway that is not https
`

interface Place {
  readonly url: string
  readonly at: { readonly host: string; readonly port: number } | undefined
  readonly caFile?: string
}

interface Leading {
  readonly ports: ReadonlySet<number>
  readonly tokenFile: string
}

interface Request {
  readonly gateway: Place
  readonly leading: Leading | undefined
  readonly idle: { readonly port: number; readonly tokenFile: string } | undefined
}

/** The exit code: 0 when it was told to end, 2 when the command was not understood. */
export async function agent(args: readonly string[], io: AgentIo): Promise<number> {
  if (args.includes('--help')) {
    io.stdout.write(help)
    return 0
  }
  const request = readArguments(args)
  if (typeof request === 'string') {
    io.stderr.write(`gatehouse agent: ${request}\n${usage}`)
    return 2
  }
  using _alive = stayAlive()
  const say = (what: string) => io.stderr.write(`gatehouse agent: ${printable(what)}\n`)
  const { gateway, leading, idle } = request
  await Promise.all([
    leading && keepLinks({ ...leading, gateway }, io, say),
    idle && keepIdlePort({ ...io, ...idle, gateway, say }),
  ])
  return 0
}

interface Linking extends Leading {
  readonly gateway: Place
}

async function keepLinks(linking: Linking, io: AgentIo, say: (what: string) => void): Promise<void> {
  const { clock, signal } = io
  // Whichever link they come by: the one that they began with may be gone.
  const held = new HeldStreams(clock)
  await new KeptLinks({ clock, signal, say, open: (butNot) => openOne(linking, io, held, butNot) }).run()
  held.endAll()
}

/** What was asked for, or why it isn't understood. */
function readArguments(args: readonly string[]): Request | string {
  const text = { type: 'string' } as const
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...{ gateway: text, ports: text, 'idle-port': text, connect: text, 'ca-file': text },
        'token-file': { ...text, default: usualTokenFile },
        'idle-token-file': { ...text, default: usualIdleTokenFile },
        'insecure-http': { type: 'boolean', default: false },
      },
    })
    const url = urlOf(values.gateway, values['insecure-http'])
    if (typeof url === 'string') return url
    const { connect, 'idle-port': idlePort, 'ca-file': caFile } = values
    const leading = leadingOf(values.ports ?? (idlePort === undefined ? '' : undefined), values['token-file'])
    if (typeof leading === 'string') return leading
    const idle = idleOf(idlePort, values['idle-token-file'])
    if (typeof idle === 'string') return idle
    const at = connect === undefined ? undefined : placeIn(connect)
    if (connect !== undefined && !at) return '--connect: a host and a port, with a colon between them'
    return { gateway: { url: url.origin, at, ...(caFile === undefined ? {} : { caFile }) }, leading, idle }
  } catch (error) {
    return messageOf(error)
  }
}

/** `undefined`: it leads nowhere. */
function leadingOf(given: string | undefined, tokenFile: string): Request['leading'] | string {
  if (given === undefined) return undefined
  const ports = portsIn(given)
  return ports ? { ports, tokenFile } : '--ports: the ports of the workspace, with commas between them, without 22'
}

function idleOf(given: string | undefined, tokenFile: string): Request['idle'] | string {
  if (given === undefined) return undefined
  const port = portOf(given)
  return port === undefined ? '--idle-port: a port that nothing else in the pod listens at' : { port, tokenFile }
}

function urlOf(given: string | undefined, isHttpAllowed: boolean): URL | string {
  const url = given === undefined ? null : URL.parse(given)
  if (!url || url.origin === 'null' || `${url.origin}/` !== url.href) return '--gateway: a URL without a path'
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isHttpAllowed)) return url
  return '--gateway: must be https, since the token of the pod goes there (or else --insecure-http)'
}

function portsIn(given: string): ReadonlySet<number> | undefined {
  const ports = given.split(',').map(portOf)
  const isFit = ports.every((port) => port !== undefined && !refusedPorts.includes(port))
  return isFit ? new Set(ports.flatMap((port) => port ?? [])) : undefined
}

function portOf(text: string): number | undefined {
  return /^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined
}

function placeIn(text: string): Place['at'] {
  const [, host = '', number = ''] = /^(.+):([0-9]+)$/.exec(text) ?? []
  const port = portOf(number)
  return port === undefined ? undefined : { host: host.replace(/^\[|\]$/g, ''), port }
}

/** Rejects where none came about. */
async function openOne(linking: Linking, io: AgentIo, held: HeldStreams, butNot: string | undefined): Promise<Coming> {
  const { ports, tokenFile, gateway } = linking
  const { clock, signal, env } = io
  // A token is replaced long before it runs out.
  const token = (await readFile(tokenFile, 'utf8')).trim()
  const connection = await dialGateway(gateway, { env, clock, signal })
  const opened = await openLink({ connection, authority: new URL(gateway.url).host, path: paths.agent, token, butNot })
  if (opened.kind === 'refused') return opened
  const canHold = opened.socket.protocol === holdProtocol
  const closed = Promise.withResolvers<string>()
  const link = new LinkSocket({
    ...{ socket: opened.socket, clock },
    endBy: (wire) => new AgentEnd({ wire, ports, dial, clock, ...(canHold ? { held } : {}) }),
    onClosed: ({ code, reason }) => {
      signal.removeEventListener('abort', stop)
      closed.resolve(reason === '' ? `code ${code}` : reason)
    },
  })
  const stop = () => link.close({ code: linkCodes.away, reason: 'the agent ends' })
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  const leave = () => link.close({ code: linkCodes.done, reason: 'there is another one' })
  return {
    kind: 'open',
    link: { replica: opened.replica, size: () => link.end.size, leave, closed: closed.promise },
  }
}

/** Some apps listen on one of the two alone. */
async function dial(port: number, signal: AbortSignal): Promise<Duplex> {
  try {
    return await connectTo({ host: '127.0.0.1', port }, signal)
  } catch (error) {
    return await connectTo({ host: '::1', port }, signal).catch(() => {
      throw error
    })
  }
}
