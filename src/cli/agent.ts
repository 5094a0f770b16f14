/**
 * `gatehouse agent`: runs beside a workspace in its pod, connects to the gateway, and leads what comes from there to ports on the pod's own loopback. So
 * nothing has to be able to connect to the pod, and its apps need to listen for nobody else.
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

export interface AgentIo extends CommandIo {
  readonly clock: Clock
  /** Ends it. */
  readonly signal: AbortSignal
}

export const usualTokenFile = '/var/run/secrets/gatehouse.dev/agent/token'

const usage = 'usage: gatehouse agent --gateway URL --ports PORT,… [FLAG ...]\n'
const help = `${usage}
Beside a workspace in its pod: connects to the gateway, and leads what comes from there to these ports of the pod's loopback, and to no other.

  --gateway URL        of the gateway, as browsers know it: https://ws.example.com
  --ports PORT,…       the ports of the workspace: 8888,2222; never 22
  --token-file FILE    a token of the pod, whose audience is the gateway's URL and ${paths.agent};
                       default: ${usualTokenFile}
  --connect HOST:PORT  where to connect to, if that is not where its name leads: a Service of the cluster
  --ca-file FILE       PEM of further authorities that the gateway's certificate may come from
  --insecure-http      lets the token travel in the clear, to a gateway that is not https
`

interface Request {
  readonly url: URL
  readonly ports: ReadonlySet<number>
  readonly tokenFile: string
  readonly at: { readonly host: string; readonly port: number } | undefined
  readonly caFile: string | undefined
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
  const { clock, signal, stderr } = io
  // Whichever link they come by: the one that they began with may be gone.
  const held = new HeldStreams(clock)
  const say = (what: string) => stderr.write(`gatehouse agent: ${printable(what)}\n`)
  await new KeptLinks({ clock, signal, say, open: (butNot) => openOne(request, io, held, butNot) }).run()
  held.endAll()
  return 0
}

/** What was asked for, or why it isn't understood. */
function readArguments(args: readonly string[]): Request | string {
  const text = { type: 'string' } as const
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...{ gateway: text, ports: text, connect: text, 'ca-file': text },
        'token-file': { ...text, default: usualTokenFile },
        'insecure-http': { type: 'boolean', default: false },
      },
    })
    const url = urlOf(values.gateway, values['insecure-http'])
    if (typeof url === 'string') return url
    const ports = portsIn(values.ports ?? '')
    if (!ports) return '--ports: the ports of the workspace, with commas between them, without 22'
    const at = values.connect === undefined ? undefined : placeIn(values.connect)
    if (values.connect !== undefined && !at) return '--connect: a host and a port, with a colon between them'
    return { url, ports, at, tokenFile: values['token-file'], caFile: values['ca-file'] }
  } catch (error) {
    return messageOf(error)
  }
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

function placeIn(text: string): Request['at'] {
  const [, host = '', number = ''] = /^(.+):([0-9]+)$/.exec(text) ?? []
  const port = portOf(number)
  return port === undefined ? undefined : { host: host.replace(/^\[|\]$/g, ''), port }
}

/** Rejects where none came about. */
async function openOne(request: Request, io: AgentIo, held: HeldStreams, butNot: string | undefined): Promise<Coming> {
  const { url, ports, at, tokenFile, caFile } = request
  const { clock, signal, env } = io
  // A token is replaced long before it runs out.
  const token = (await readFile(tokenFile, 'utf8')).trim()
  const place = { url: url.origin, at, ...(caFile === undefined ? {} : { caFile }) }
  const connection = await dialGateway(place, { env, clock, signal })
  const opened = await openLink({ connection, authority: url.host, path: paths.agent, token, butNot })
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
