/**
 * What it costs that a tunnel outlives its connections: time of the processor for a GB there and a GB back, of the gateway and of the agent in the pod, beside
 * tunnels through the same agent that do not. `npm run bench:tunnels:resumed`; `--rounds`, `--megabytes`.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, duplexPair } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { systemClock as clock } from '#lib/clock.ts'
import { resumeWindow } from '#resume/frames.ts'
import { ResumedStream } from '#resume/resumed-stream.ts'
import { Secret } from '#settings/secret.ts'
import { paths } from '#surface/urls.ts'
import { imageOptions, podEnvironment } from '#test/support/image-options.ts'
import { Bridge, type ByteStream } from '#tunnel/bridge.ts'
import { openTunnel } from '#tunnel/client.ts'
import { type Figure, figureOf, ratioOf } from './figures.ts'
import { cpuSeconds, type Pinned, pinned } from './measure.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, megabytes: { type: 'string', default: '200' } },
})
const rounds = Number(values.rounds)
const bytes = Number(values.megabytes) * 1_000_000
const piece = Buffer.alloc(65_536, 'x')
const launcher = fileURLToPath(new URL('../../bin/gatehouse.js', import.meta.url))
const program = fileURLToPath(new URL('./contenders/held-gateway.ts', import.meta.url))

interface Told {
  readonly origin: string
  readonly port: number
  readonly ports: string
  readonly token: string
  readonly bearer: string
}

/** `held`: it outlives its connections. */
type Kind = 'held' | 'plain'

interface Gave {
  /** Seconds of the processor a GB. */
  readonly gateway: number
  readonly agent: number
  /** MB/s. */
  readonly down: number
  readonly up: number
}

interface Pids {
  readonly gateway: number
  readonly agent: number
}

/** Gives `bytes` to whoever says `d`, and takes as many from anybody else, whom it answers with one. */
function serve(socket: Socket): void {
  socket.setNoDelay(true).on('error', () => undefined)
  socket.once('data', (first: Buffer) => {
    if (first[0] === 0x64) void say(socket)
    else void hear(socket, bytes - first.length + 1).then(() => socket.write('!'))
  })
}

async function say(stream: Duplex): Promise<void> {
  for (let left = bytes; left > 0; left -= piece.length) {
    if (!stream.write(piece.subarray(0, Math.min(left, piece.length))))
      await new Promise((resolve) => stream.once('drain', resolve))
  }
}

function hear(stream: Duplex, many: number): Promise<void> {
  let left = many
  return new Promise((resolve) => {
    stream.on('data', (more: Buffer) => {
      left -= more.length
      if (left <= 0) resolve()
    })
  })
}

/** Its near end. */
async function opened({ origin, port, bearer }: Told, kind: Kind): Promise<Duplex> {
  const id = new Secret(randomBytes(32).toString('base64url'))
  const answer = await openTunnel({
    ...{ connection: connect({ port, host: '127.0.0.1', noDelay: true }), authority: new URL(origin).host, clock },
    ...{ target: `${paths.tunnel}?workspace=team/nb&type=ssh-remote`, authorization: `Bearer ${bearer}` },
    stream: kind === 'held' ? { aim: 'open', id, age: 0 } : undefined,
  })
  if (answer.kind !== 'open') throw new Error(`refused with ${answer.status}: ${answer.body}`)
  const { socket, dialect } = answer
  if ((dialect === 'resume') !== (kind === 'held')) throw new Error(`it became ${dialect}`)
  const [near, far] = duplexPair({ highWaterMark: 262_144 })
  const ends = { readable: far, writable: far }
  const stream = kind === 'held' ? carrierOf(ends) : ends
  const onBreak = { code: 1000, reason: 'left' } as const
  new Bridge({ socket, stream, dialect, clock, onBreak, onClosed: () => undefined })
  return near.on('error', () => undefined)
}

function carrierOf(ends: ByteStream): ByteStream {
  const left = { onAway: () => undefined, onOver: () => undefined }
  const carrier = new ResumedStream({ ...ends, clock, window: resumeWindow, isFirstToLeave: true, ...left }).attach(
    true,
  )
  return { readable: carrier, writable: carrier }
}

async function turnOf(told: Told, kind: Kind, { gateway, agent }: Pids): Promise<Gave> {
  const before = [await cpuSeconds(gateway), await cpuSeconds(agent)] as const
  const rate = async (letter: string, move: (near: Duplex) => Promise<void>) => {
    const near = await opened(told, kind)
    const began = performance.now()
    near.write(letter)
    await move(near)
    const span = performance.now() - began
    near.destroy()
    return bytes / span / 1000
  }
  const down = await rate('d', (near) => hear(near, bytes))
  const up = await rate('u', async (near) => {
    const taken = hear(near, 1)
    await say(near)
    await taken
  })
  const perGb = async (pid: number, had: number) => ((await cpuSeconds(pid)) - had) / ((2 * bytes) / 1e9)
  return { gateway: await perGb(gateway, before[0]), agent: await perGb(agent, before[1]), down, up }
}

async function toldBy(child: Pinned): Promise<Told> {
  while (!child.stdout.join('').includes('\n')) await wait(50)
  return JSON.parse(child.stdout.join('').split('\n')[0] ?? '')
}

/** Until its agent is there. */
async function isLed(told: Told): Promise<void> {
  for (let tried = 0; tried < 100; tried += 1) {
    const near = await opened(told, 'held').catch(() => undefined)
    near?.destroy()
    if (near) return
    await wait(100)
  }
  throw new Error('its agent does not come')
}

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-resumed-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const app = createServer(serve)
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve))
  stack.defer(() => void app.close())
  const { port } = app.address() as AddressInfo // It listens on TCP.
  const gateway = stack.use(
    await pinned(1, process.execPath, [...imageOptions(), program, String(port)], podEnvironment()),
  )
  const told = await toldBy(gateway)
  const tokenFile = join(folder, 'token')
  await writeFile(tokenFile, told.token)
  const flags = ['--gateway', told.origin, '--insecure-http', '--token-file', tokenFile, '--ports', told.ports]
  const agent = stack.use(await pinned(1, process.execPath, [launcher, 'agent', ...flags]))
  await isLed(told)
  const gave = { held: [] as Gave[], plain: [] as Gave[] }
  // The first round is for what is compiled and allocated only once.
  for (let round = 0; round <= rounds; round += 1) {
    for (const kind of ['plain', 'held'] as const) {
      const turn = await turnOf(told, kind, { gateway: gateway.pid, agent: agent.pid })
      if (round > 0) gave[kind].push(turn)
    }
  }
  report(gave)
}

function report(gave: Readonly<Record<Kind, readonly Gave[]>>): void {
  const say = (line: string) => process.stdout.write(`${line}\n`)
  const show = ({ median, least, most }: Figure) => `${median} (${least} to ${most})`
  const of = (kind: Kind, what: keyof Gave) => gave[kind].map((one) => one[what])
  for (const kind of ['plain', 'held'] as const) {
    const figure = (what: keyof Gave) => show(figureOf(of(kind, what)))
    say(`${kind}: ${figure('gateway')} s of the gateway's processor a GB, ${figure('agent')} of the agent's`)
    say(`${kind}: ${figure('down')} MB/s to the client, ${figure('up')} from it`)
  }
  for (const what of ['gateway', 'agent'] as const)
    say(`${what}, one that is held of one that is not: ${show(ratioOf(of('held', what), of('plain', what)))}`)
}

await main()
