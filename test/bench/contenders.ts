/** Who takes part in the benchmark, and how each is started on its core. */
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { imageOptions } from '#test/support/image-options.ts'
import { caddyConfiguration } from './contenders/caddy.ts'
import { authRequestConfiguration, proxyConfiguration } from './contenders/nginx.ts'
import { listening, type Pinned, pinned } from './measure.ts'

export interface Running extends AsyncDisposable {
  readonly pid: number
  readonly url: string
  /** What a request needs to be let through, as wrk takes it: `Name: value`. */
  readonly headers: readonly string[]
}

export interface Contender {
  readonly name: string
  /** A program that this machine may lack; then it takes no part. */
  readonly needs?: string
  start(on: { readonly core: number | undefined; readonly upstreamPort: number }): Promise<Running>
}

const port = 18_910
const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))

async function up(process: Pinned, at = port): Promise<Running> {
  await listening(at)
  return {
    pid: process.pid,
    url: `http://127.0.0.1:${at}/`,
    headers: [],
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  }
}

/** How many there are. */
export interface Size {
  readonly sessions: number
  readonly workspaces: number
}

export interface GatehouseOptions {
  /** Where another one runs beside it. */
  readonly at?: number
  readonly core: number | undefined
  readonly upstreamPort: number
  /** At first, and after each growth; one of each when absent. */
  readonly sizes?: readonly Size[]
  readonly nodeOptions?: readonly string[]
  /** Nothing that passes is looked at to see who works. */
  readonly isBlind?: boolean
}

export interface RunningGatehouse extends Running {
  /** A file of all pairs of host and cookie that are let through, one a line. */
  readonly visits: string
  /** As many sessions and workspaces as comes next; resolves with `visits` of then. */
  grow(): Promise<string>
}

export async function startGatehouse(options: GatehouseOptions): Promise<RunningGatehouse> {
  const { at = port, core, upstreamPort, sizes = [{ sessions: 1, workspaces: 1 }], nodeOptions = [], isBlind } = options
  const child = await pinned(core, process.execPath, [
    ...imageOptions(),
    ...nodeOptions,
    file('./contenders/gatehouse.ts'),
    ...[at, upstreamPort].map(String),
    sizes.map(({ sessions, workspaces }) => `${sessions}x${workspaces}`).join(','),
    ...(isBlind ? ['blind'] : []),
  ])
  let growths = 0
  const whenThere = async () => {
    const lines = () => child.stdout.join('').split('\n')
    while (lines().length < growths + 2) {
      if (child.hasEnded()) throw new Error('Gatehouse has ended')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return JSON.parse(lines()[growths] ?? '')
  }
  const { host, cookie, visits } = await whenThere()
  return {
    ...(await up(child, at)),
    headers: [`Host: ${host}`, `Cookie: ${cookie}`],
    visits,
    async grow() {
      growths += 1
      process.kill(child.pid, 'SIGUSR2')
      return (await whenThere()).visits
    },
  }
}

const gatehouse: Contender = { name: 'gatehouse', start: startGatehouse }

export const contenders: readonly Contender[] = [
  gatehouse,
  {
    name: 'nginx',
    start: async ({ core, upstreamPort }) =>
      up(await pinned(core, 'nginx', ['-c', proxyConfiguration(port, upstreamPort)])),
  },
  {
    name: 'nginx_auth_request',
    start: async ({ core, upstreamPort }) =>
      up(await pinned(core, 'nginx', ['-c', authRequestConfiguration(port, port + 1, upstreamPort)])),
  },
  {
    name: 'caddy_forward_auth',
    needs: 'caddy',
    start: async ({ core, upstreamPort }) => {
      const config = caddyConfiguration(port, upstreamPort)
      const args = ['run', '--adapter', 'caddyfile', '--config', config]
      // One processor, as it has one core; otherwise its threads take turns on it. It keeps its configuration beside the file, not in somebody's home.
      const env = { ...process.env, GOMAXPROCS: '1', XDG_CONFIG_HOME: dirname(config), XDG_DATA_HOME: dirname(config) }
      return up(await pinned(core, 'caddy', args, env))
    },
  },
  {
    name: 'configurable_http_proxy',
    start: async ({ core, upstreamPort }) => {
      const command = file('../../node_modules/configurable-http-proxy/bin/configurable-http-proxy')
      const target = `http://127.0.0.1:${upstreamPort}`
      const args = [
        '--ip',
        '127.0.0.1',
        '--port',
        String(port),
        '--api-port',
        String(port + 2),
        '--default-target',
        target,
        '--log-level',
        'error',
      ]
      return up(
        await pinned(core, process.execPath, [command, ...args], { ...process.env, CONFIGPROXY_AUTH_TOKEN: 'bench' }),
      )
    },
  },
  {
    name: 'http_proxy',
    start: async ({ core, upstreamPort }) =>
      up(
        await pinned(core, process.execPath, [file('./contenders/http-proxy.ts'), String(port), String(upstreamPort)]),
      ),
  },
]
