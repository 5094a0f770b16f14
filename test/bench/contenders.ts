/** Who takes part in the benchmark, and how each is started on its core. */
import { fileURLToPath } from 'node:url'
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
  start(on: { readonly core: number | undefined; readonly upstreamPort: number }): Promise<Running>
}

const port = 18_910
const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))

async function up(process: Pinned): Promise<Running> {
  await listening(port)
  return {
    pid: process.pid,
    url: `http://127.0.0.1:${port}/`,
    headers: [],
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  }
}

const gatehouse: Contender = {
  name: 'gatehouse',
  async start({ core, upstreamPort }) {
    const child = await pinned(core, process.execPath, [
      file('./contenders/gatehouse.ts'),
      String(port),
      String(upstreamPort),
    ])
    while (!child.stdout.join('').includes('\n')) await new Promise((resolve) => setTimeout(resolve, 50))
    const { host, cookie } = JSON.parse(child.stdout.join('').split('\n', 1)[0] ?? '{}')
    const running = await up(child)
    return { ...running, headers: [`Host: ${host}`, `Cookie: ${cookie}`] }
  },
}

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
