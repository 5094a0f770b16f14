/**
 * scp through a tunnel and without one, in turns, over one link that is shaped to 1 Gbit/s each way: the client with the command line as people have it, one file,
 * on the one side; gateway and SSH server on the other. `npm run bench:tunnels:link`; `--rounds`, `--megabytes`. Needs root and the package iproute2.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { imageOptions, podEnvironment } from '#test/support/image-options.ts'
import { type OpenSsh, openSsh } from '#test/support/openssh.ts'
import { bundleCommandLine } from '../../scripts/bundle.ts'
import { type Figure, figureOf, ratioOf } from './figures.ts'
import { cpuSeconds, type Pinned, pinned } from './measure.ts'
import { shapedLink } from './shaped-link.ts'

const run = promisify(execFile)
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '500' },
    rate: { type: 'string', default: '1gbit' },
    // What the second half of the program is told by the first, which has made the networks.
    client: { type: 'string' },
  },
})
const [rounds, megabytes] = [Number(values.rounds), Number(values.megabytes)]
const say = (line: string) => process.stdout.write(`${line}\n`)

async function main(): Promise<void> {
  const shaping = await shapedLink(values.rate)
  if (shaping.kind === 'missing') {
    say(`skipped, since no link can be shaped here (apt-get install iproute2; root): ${shaping.why}`)
    return
  }
  await using link = shaping.link
  const [program = '', ...args] = link.atServer
  const own = [process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  const child = spawn(program, [...args, ...own, '--client', JSON.stringify(link.atClient)], { stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  process.exitCode = code ?? 1
}

interface Way {
  readonly name: 'plain' | 'http' | 'https'
  readonly config: string
  readonly gateway: Pinned | undefined
}

interface Copied {
  /** MB/s. */
  readonly rate: number
  /** Seconds of the processor a GB: of scp, ssh and the command line; of the gateway. */
  readonly client: number
  readonly gateway: number
}

async function atServer(atClient: readonly string[]): Promise<void> {
  await using stack = new AsyncDisposableStack()
  // The disk is not what is measured.
  const folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'gatehouse-link-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const server = stack.use(await openSsh())
  const file = join(folder, 'copied')
  await writeFile(file, Buffer.alloc(megabytes * 1_000_000, 'x'))
  const commandLine = await bundleCommandLine(folder)
  const tunnelled = async (name: 'http' | 'https'): Promise<Way> => {
    const { gateway, home } = await startGateway(stack, server, name)
    const command = `env HOME=${home} ${process.execPath} ${commandLine} tunnel team/nb`
    return { name, gateway, config: await server.configure(name, command) }
  }
  const proxyless = `none\n  HostName 127.0.0.1\n  Port ${server.port}`
  const ways: readonly Way[] = [
    { name: 'plain', gateway: undefined, config: await server.configure('plain', proxyless) },
    await tunnelled('http'),
    await tunnelled('https'),
  ]
  const made = { plain: [] as Round[], http: [] as Round[], https: [] as Round[] }
  // The first round is for what is compiled and allocated only once.
  for (let round = 0; round <= rounds; round += 1) {
    for (const way of ways) {
      const there = await copy(way, atClient, [file, `${way.name}:${file}.there`])
      const back = await copy(way, atClient, [`${way.name}:${file}.there`, `${file}.back`])
      if (round > 0) made[way.name].push({ there, back })
    }
  }
  await run('cmp', [file, `${file}.back`])
  report(made)
}

interface Round {
  readonly there: Copied
  readonly back: Copied
}

async function startGateway(stack: AsyncDisposableStack, server: OpenSsh, scheme: 'http' | 'https') {
  const program = fileURLToPath(new URL('./contenders/tunnel-gateway.ts', import.meta.url))
  const args = [...imageOptions(), program, '0', String(server.port), scheme]
  const gateway = stack.use(await pinned(undefined, process.execPath, args, podEnvironment()))
  const limit = performance.now() + 30_000
  while (!gateway.stdout.join('').includes('\n')) {
    if (performance.now() > limit) throw new Error('the gateway does not start')
    await wait(50)
  }
  const { home }: { readonly home: string } = JSON.parse(gateway.stdout.join('').split('\n')[0] ?? '')
  return { gateway, home }
}

async function copy(way: Way, atClient: readonly string[], ends: readonly [string, string]): Promise<Copied> {
  const [program = '', ...args] = atClient
  const before = way.gateway ? await cpuSeconds(way.gateway.pid) : 0
  const began = performance.now()
  const { stdout } = await run(program, [
    ...args,
    'sh',
    '-c',
    '"$@"; times',
    'sh',
    'scp',
    '-q',
    '-F',
    way.config,
    ...ends,
  ])
  const seconds = (performance.now() - began) / 1000
  const after = way.gateway ? await cpuSeconds(way.gateway.pid) : 0
  const gigabytes = megabytes / 1000
  return { rate: megabytes / seconds, client: childSeconds(stdout) / gigabytes, gateway: (after - before) / gigabytes }
}

/** Of what a shell has waited for, as its `times` says. */
function childSeconds(text: string): number {
  const [, children = ''] = text.trim().split('\n')
  return [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
    0,
  )
}

function report(made: Readonly<Record<Way['name'], readonly Round[]>>): void {
  for (const name of ['plain', 'http', 'https'] as const) {
    for (const end of ['there', 'back'] as const) {
      const of = (what: keyof Copied) => show(figureOf(made[name].map((round) => round[end][what])))
      const gateway = name === 'plain' ? '' : `, of the gateway ${of('gateway')}`
      say(`${name}, ${end}: ${of('rate')} MB/s; ${of('client')} s of the client's processor a GB${gateway}`)
    }
  }
  const seconds = (name: Way['name']) => made[name].map(({ there, back }) => 1 / there.rate + 1 / back.rate)
  for (const name of ['http', 'https'] as const)
    say(`scp through a tunnel by ${name}, of that without: ${show(ratioOf(seconds('plain'), seconds(name)))}`)
}

function show({ median, least, most }: Figure): string {
  return `${median} (${least} to ${most})`
}

await (values.client === undefined ? main() : atServer(JSON.parse(values.client)))
