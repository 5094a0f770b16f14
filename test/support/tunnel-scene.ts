/**
 * A workspace with something at its port of SSH, behind a whole gateway, and command lines of people who have logged in there. What listens is whatever
 * the test makes of its connections.
 */

import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'
import { type ClientOptions, WebSocket } from 'ws'
import type { Endpoint } from '#runtime/contract.ts'
import { paths } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { tunnelProtocol } from '#tunnel/protocol.ts'
import { commandLine, decide } from './command-line-login.ts'
import { echoApp } from './echo-app.ts'
import { createWorld, type World, type WorldOptions } from './world.ts'

export interface TcpApp extends AsyncDisposable {
  readonly port: number
  readonly connections: ReadonlySet<Socket>
  /** Of those that came so far. */
  readonly accepted: () => number
  bytes(): number
}

/** On loopback. Gives back what it gets, and ends when its client has, if no `serve` says otherwise. */
export async function tcpApp(serve: (socket: Socket) => void = (socket) => void socket.pipe(socket)): Promise<TcpApp> {
  const connections = new Set<Socket>()
  let accepted = 0
  let closedBytes = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted += 1
    connections.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => {
      connections.delete(socket)
      closedBytes += socket.bytesRead
    })
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  return {
    ...{ port, connections, accepted: () => accepted },
    bytes: () => [...connections].reduce((sum, { bytesRead }) => sum + bytesRead, closedBytes),
    async [Symbol.asyncDispose]() {
      for (const socket of connections) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** On loopback, before another port of this machine, such as that of a real server: so it is seen what is left open there. */
export function tcpAppBefore(port: number): Promise<TcpApp> {
  return tcpApp((socket) => {
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    upstream.on('error', () => socket.destroy())
    socket.on('error', () => upstream.destroy())
    socket.pipe(upstream).pipe(socket)
  })
}

export interface Ended {
  readonly code: number
  readonly reason: string
  /** By `performance.now()`. */
  readonly at: number
}

/** A WebSocket that keeps what came. */
export interface OpenTunnel extends Disposable {
  readonly kind: 'open'
  readonly ws: WebSocket
  /** Of the 101. */
  readonly instance: string
  readonly extensions: string | undefined
  readonly closed: Promise<Ended>
  /** Of the stream, so far. */
  received(): Buffer
  /** The other direction was ended. */
  readonly hasEnded: () => boolean
  readonly texts: readonly string[]
}

export interface RefusedTunnel {
  readonly kind: 'refused'
  readonly status: number
  readonly code: string
  readonly problem: { readonly title: string; readonly detail?: string }
  readonly headers: Readonly<Record<string, unknown>>
}

export interface TunnelAsked {
  /** Of `Authorization: Bearer`; none when absent. */
  readonly bearer?: string | undefined
  /** Beside `workspace`. */
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly protocols?: readonly string[]
  readonly ws?: ClientOptions
  /** Of another replica. */
  readonly port?: number
  /** The whole path, instead of the tunnel's own with the query. */
  readonly url?: string
}

export interface TunnelScene extends AsyncDisposable {
  readonly world: World
  /** `team/nb`, alice's. */
  readonly ref: WorkspaceRef
  readonly app: TcpApp
  /** Logs a command line in. */
  bearer(username: string): Promise<string>
  ask(asked: TunnelAsked): Promise<OpenTunnel | RefusedTunnel>
  /** Throws when it is refused. */
  open(bearer: string, asked?: TunnelAsked): Promise<OpenTunnel>
  /** Throws when it is opened. */
  refused(asked: TunnelAsked): Promise<RefusedTunnel>
}

export interface SceneOptions extends WorldOptions {
  readonly app?: TcpApp
  /** Beside its ports. */
  readonly spec?: Record<string, unknown>
  readonly insecureDirectSsh?: boolean
  /** Of its ports but the first; the app's address when absent. */
  readonly endpoint?: Endpoint
}

export async function tunnelScene(options: SceneOptions = {}): Promise<TunnelScene> {
  await using opened = new AsyncDisposableStack()
  const app = opened.use(options.app ?? (await tcpApp()))
  const direct = options.insecureDirectSsh ?? true
  const world = opened.use(
    await createWorld({
      ...options,
      settings: (settings) => {
        const own = options.settings?.(settings) ?? settings
        return direct ? { ...own, insecure: [...own.insecure, 'insecureDirectSsh'] } : own
      },
    }),
  )
  const main = opened.use(await echoApp('nb'))
  const address = { kind: 'tcp', host: '127.0.0.1', port: app.port } as const
  const ssh = { ...main, endpoint: options.endpoint ?? address, port: app.port }
  const { ref } = await world.workspace({
    ...{ name: 'nb', owner: 'alice', apps: { 8888: main, 2222: ssh, 9000: ssh } },
    spec: {
      ...options.spec,
      ports: [
        { name: 'lab', port: 8888 },
        { name: 'app', port: 9000 },
      ],
    },
  })
  const ask = (asked: TunnelAsked) => askTunnel(world, ref, asked)
  const running = opened.move()
  return {
    ...{ world, ref, app, ask },
    bearer: (username) => logIn(world, username),
    async open(bearer, asked = {}) {
      const answer = await ask({ ...asked, bearer })
      if (answer.kind === 'open') return answer
      throw new Error(`refused with ${answer.status} ${answer.code}`)
    },
    async refused(asked) {
      const answer = await ask(asked)
      if (answer.kind === 'refused') return answer
      answer[Symbol.dispose]()
      throw new Error('the tunnel was opened')
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** The secret of a command line that this person has let in. */
export async function logIn(world: World, username: string): Promise<string> {
  await using line = await commandLine(world)
  const browser = world.browser()
  await browser.open(line.url)
  await browser.login(username, world.identityProvider.password)
  await decide(browser, 'allow')
  return JSON.parse((await line.exchange()).body).secret
}

/** Of `team/nb`, in a world of the test's own. */
export async function openTunnelOf(world: World, bearer: string): Promise<OpenTunnel> {
  const answer = await askTunnel(world, { namespace: 'team', name: 'nb' }, { bearer })
  if (answer.kind === 'open') return answer
  throw new Error(`refused with ${answer.status} ${answer.code}`)
}

/** At whatever gateway. */
export function askTunnel(
  world: Pick<World, 'origin' | 'port'>,
  ref: WorkspaceRef,
  asked: TunnelAsked,
): Promise<OpenTunnel | RefusedTunnel> {
  const query = new URLSearchParams({ workspace: `${ref.namespace}/${ref.name}`, ...asked.query })
  const url = new URL(asked.url ?? `${world.origin}${paths.tunnel}?${query}`)
  const port = asked.port ?? world.port
  const authorization = asked.bearer === undefined ? {} : { Authorization: `Bearer ${asked.bearer}` }
  const ws = new WebSocket(url.href.replace(/^http/, 'ws'), [...(asked.protocols ?? [tunnelProtocol])], {
    perMessageDeflate: false,
    createConnection: () => connect({ port, host: '127.0.0.1' }),
    ...asked.ws,
    headers: { Host: url.host, ...authorization, ...asked.headers },
  })
  const pieces: Buffer[] = []
  const texts: string[] = []
  let hasEnded = false
  ws.on('message', (data: Buffer, isBinary: boolean) => {
    if (!isBinary) texts.push(data.toString())
    else if (data.length === 0) hasEnded = true
    else pieces.push(data)
  })
  const closed = new Promise<Ended>((resolve) => {
    ws.once('close', (code, reason) => resolve({ code, reason: reason.toString(), at: performance.now() }))
  })
  let head: Readonly<Record<string, unknown>> = {}
  ws.once('upgrade', ({ headers }) => {
    head = headers
  })
  return new Promise((resolve, reject) => {
    // Stays on: a reset after the handshake is told by its close code.
    ws.on('error', reject)
    ws.once('open', () =>
      resolve({
        ...{ kind: 'open', ws, closed, texts, received: () => Buffer.concat(pieces), hasEnded: () => hasEnded },
        instance: String(head['gatehouse-instance']),
        extensions:
          head['sec-websocket-extensions'] === undefined ? undefined : String(head['sec-websocket-extensions']),
        [Symbol.dispose]: () => ws.terminate(),
      }),
    )
    ws.once('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () => {
        const { statusCode: status = 0, headers } = response
        const problem = JSON.parse(Buffer.concat(chunks).toString())
        resolve({ kind: 'refused', status, code: problem.code, problem, headers })
      })
    })
  })
}
