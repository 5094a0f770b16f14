/**
 * A workspace that is reached through its agent alone: an app and something at its port of SSH, both on loopback, behind a whole gateway. Agents are the real
 * command, in this process.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { agent } from '#cli/agent.ts'
import { type Agents, openAgents } from '#compose/agents.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { type Frame, linkProtocol, readFrame, writeFrame } from '#link/frames.ts'
import type { InstanceUid } from '#runtime/contract.ts'
import type { PeerSettings } from '#settings/settings.ts'
import { paths } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { createdByAnnotation, workspaceKind } from '#workspace/workspace.ts'
import { type EchoApp, echoApp } from './echo-app.ts'
import { type TokenGiver, tokenGiver } from './pod-token.ts'
import { type TcpApp, tcpApp } from './tunnel-scene.ts'
import { createWorld, type World, type WorldOptions } from './world.ts'

export interface RunningAgent extends AsyncDisposable {
  readonly said: () => string
  /** As SIGTERM does. Its exit code. */
  stop(): Promise<number>
}

/** A link by hand: says whatever the test says. */
export interface RawLink extends Disposable {
  readonly ws: WebSocket
  /** That the gateway said. */
  readonly heard: readonly Frame[]
  say(frame: Frame): void
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
}

export interface AgentScene extends AsyncDisposable {
  readonly world: World
  readonly agents: Agents
  readonly giver: TokenGiver
  /** `team/nb`, alice's. It runs, and is ready once its agent is there. */
  readonly ref: WorkspaceRef
  readonly pod: { readonly namespace: string; readonly uid: string }
  readonly app: EchoApp
  readonly ssh: TcpApp
  /** Good for the pod of the workspace. */
  token(claims?: object): Promise<string>
  /** With that token in its file, else a good one. `connect`: where to, if not to the first gateway. */
  startAgent(token?: string, by?: { readonly clock?: Clock; readonly connect?: string }): Promise<RunningAgent>
  stopAgents(): Promise<void>
  isReady(): boolean
  /** One more of alice's workspaces, `team/<name>`, with an agent of its own, to the same app and the same SSH. Resolves when it is ready. */
  another(name: string): Promise<WorkspaceRef>
  /** The status where it is refused. */
  link(
    token: string | undefined,
    headers?: Readonly<Record<string, string>>,
    protocols?: readonly string[],
  ): Promise<RawLink | number>
}

export interface AgentSceneOptions extends WorldOptions {
  readonly ssh?: TcpApp
  /** Tunnels that may be open at once, of one workspace and of one person; as settings have it when absent. */
  readonly mostTunnels?: number
  /** How replicas reach each other; there is one alone when absent. */
  readonly peers?: PeerSettings
}

export async function agentScene(options: AgentSceneOptions = {}): Promise<AgentScene> {
  await using opened = new AsyncDisposableStack()
  const giver = await tokenGiver()
  const app = opened.use(await echoApp('nb'))
  const ssh = opened.use(options.ssh ?? (await tcpApp()))
  let agents: Agents | undefined
  const bounds = {
    maxPerWorkspace: options.mostTunnels,
    maxPerUser: options.mostTunnels,
    idle: undefined,
    max: undefined,
    minMemory: undefined,
  }
  const world = opened.use(
    await createWorld({
      ...{ ...options, podTokens: giver.podTokens },
      async openAgents(ground) {
        agents = await openAgents({ ...ground, host: '127.0.0.1' })
        return agents
      },
      settings: (settings) => ({
        ...(options.settings?.(settings) ?? settings),
        agents: { namespaces: ['team'], peers: options.peers },
        connections: [{ pattern: '*', port: ssh.port, ...bounds }],
      }),
    }),
  )
  if (!agents) throw new Error('there are no agents')
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-agent-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const ref = { namespace: 'team', name: 'nb' }
  const phaseOf = (of: WorkspaceRef) => world.open.workspaces.directory.get(of)?.state.phase
  /** Its pod. */
  const run = async (of: WorkspaceRef) => {
    // The next instance of the world; a brand that only a runtime makes.
    const uid = `static-${world.runtime.started.length + 1}` as InstanceUid
    const behind = ({ port }: { readonly port: number }) => ({ kind: 'agent' as const, instanceUid: uid, port })
    world.runtime.provide(of, { [app.port]: behind(app), [ssh.port]: behind(ssh) })
    const spec = { desiredStatus: 'Running', ports: [{ name: 'lab', port: app.port }] }
    await world.resources.create(workspaceKind, {
      metadata: { ...of, annotations: { [createdByAnnotation]: 'alice' } },
      spec: workspaceKind.parseSpec(spec),
    })
    const entry = () => world.open.workspaces.directory.get(of)
    await world.until(() => entry()?.instance?.instanceUid === uid, 'its instance is known')
    return { namespace: of.namespace, uid }
  }
  const pod = await run(ref)
  const aud = world.origin + paths.agent
  const token = (claims: object = {}) => giver.tokenOf(pod, { aud, ...claims })
  const started: RunningAgent[] = []
  let tokens = 0
  const running = opened.move()
  const startAgent: AgentScene['startAgent'] = async (given, { clock = systemClock, connect: to } = {}) => {
    tokens += 1
    const tokenFile = join(folder, `token-${tokens}`)
    await writeFile(tokenFile, `${given ?? (await token())}\n`)
    const args = ['--gateway', world.origin, '--insecure-http', '--token-file', tokenFile]
    const ports = ['--ports', `${app.port},${ssh.port}`]
    const one = runAgent([...args, ...ports, ...(to === undefined ? [] : ['--connect', to])], clock)
    running.use(one)
    started.push(one)
    return one
  }
  return {
    ...{ world, agents, giver, ref, pod, app, ssh, token },
    isReady: () => phaseOf(ref) === 'Running',
    startAgent,
    async another(name) {
      const other = { namespace: ref.namespace, name }
      await startAgent(await giver.tokenOf(await run(other), { aud }))
      await world.until(() => phaseOf(other) === 'Running', 'its agent is there')
      return other
    },
    async stopAgents() {
      await Promise.all(started.splice(0).map((one) => one.stop()))
    },
    link: async (given, headers = {}, protocols = [linkProtocol]) => rawLink(world, given, headers, protocols),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

function runAgent(args: readonly string[], clock: Clock): RunningAgent {
  const ending = new AbortController()
  let said = ''
  const out = {
    write(text: string) {
      said += text
    },
  }
  const { signal } = ending
  const ended = agent(args, { stdout: out, stderr: out, env: {}, clock, signal })
  const stop = () => {
    ending.abort()
    return ended
  }
  return { said: () => said, stop, [Symbol.asyncDispose]: async () => void (await stop()) }
}

function rawLink(
  world: World,
  token: string | undefined,
  headers: Readonly<Record<string, string>>,
  protocols: readonly string[],
): Promise<RawLink | number> {
  const url = new URL(world.origin + paths.agent)
  const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` }
  const ws = new WebSocket(url.href.replace(/^http/, 'ws'), [...protocols], {
    ...{ perMessageDeflate: false, createConnection: () => connect({ port: world.port, host: '127.0.0.1' }) },
    headers: { Host: url.host, ...authorization, ...headers },
  })
  const heard: Frame[] = []
  ws.on('message', (data: Buffer) => heard.push(readFrame(data)))
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    ws.once('close', (code, reason) => resolve({ code, reason: reason.toString() }))
  })
  return new Promise((resolve, reject) => {
    ws.on('error', reject)
    ws.once('unexpected-response', (_request, { statusCode = 0 }) => {
      ws.terminate()
      resolve(statusCode)
    })
    ws.once('open', () =>
      resolve({
        ...{ ws, heard, closed, say: (frame) => ws.send(writeFrame(frame)) },
        [Symbol.dispose]: () => ws.terminate(),
      }),
    )
  })
}
