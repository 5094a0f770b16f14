/**
 * What a tunnel costs beside a bridge of `ws` that does nothing else, and beside no tunnel at all: time of the processor and rate of bytes, the round trip, memory
 * of those that say nothing, and scp by the command line as ProxyCommand. `npm run bench:tunnels`; `--rounds`, `--tunnels`, `--megabytes`.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { WebSocket } from 'ws'
import { imageOptions, podEnvironment } from '#test/support/image-options.ts'
import { type OpenSsh, openSsh } from '#test/support/openssh.ts'
import { longestMessage, tunnelProtocol } from '#tunnel/protocol.ts'
import { type Figure, figureOf, ratioOf } from './figures.ts'
import { cpuSeconds, median, type Pinned, pinned, residentKb } from './measure.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    tunnels: { type: 'string', default: '1000' },
    megabytes: { type: 'string', default: '200' },
  },
})
const [rounds, tunnels, megabytes] = [Number(values.rounds), Number(values.tunnels), Number(values.megabytes)]
const bytes = megabytes * 1_000_000
const roundTrips = 2_000
const launcher = fileURLToPath(new URL('../../bin/gatehouse.js', import.meta.url))

interface Contender {
  readonly name: 'gatehouse' | 'bridge'
  readonly pid: number
  readonly open: () => Promise<WebSocket>
}

interface Gave {
  readonly download: number
  readonly upload: number
  /** Of the processor, for a GB there and a GB back together. */
  readonly secondsPerGb: number
  readonly roundTrip: number
}

/** Gives `bytes` to whoever says `d`, takes them from whoever says `u` and answers with one byte, and gives back what anybody else says. */
function serve(socket: Socket): void {
  socket.setNoDelay(true).on('error', () => undefined)
  socket.once('data', (first: Buffer) => {
    if (first[0] === 0x64) give(socket)
    else if (first[0] === 0x75) take(socket, first.length - 1)
    else {
      socket.write(first)
      socket.pipe(socket)
    }
  })
}

function give(socket: Socket): void {
  const piece = Buffer.alloc(longestMessage, 'x')
  let left = bytes
  const go = () => {
    while (left > 0) {
      const some = piece.subarray(0, Math.min(left, piece.length))
      left -= some.length
      if (!socket.write(some)) return void socket.once('drain', go)
    }
  }
  go()
}

function take(socket: Socket, already: number): void {
  let got = already
  socket.on('data', (more: Buffer) => {
    got += more.length
    if (got >= bytes) socket.write('!')
  })
}

/** Milliseconds. */
function download(socket: WebSocket): Promise<number> {
  const began = performance.now()
  let got = 0
  return new Promise((resolve) => {
    socket.on('message', (data: Buffer) => {
      got += data.length
      if (got >= bytes) resolve(performance.now() - began)
    })
    socket.send(Buffer.from('d'))
  })
}

async function upload(socket: WebSocket): Promise<number> {
  const began = performance.now()
  const piece = Buffer.alloc(longestMessage, 'x')
  const taken = new Promise<void>((resolve) => socket.once('message', () => resolve()))
  socket.send(Buffer.from('u'))
  for (let left = bytes; left > 0; left -= piece.length) {
    const some = piece.subarray(0, Math.min(left, piece.length))
    const sent = new Promise<void>((resolve) => socket.send(some, () => resolve()))
    if (socket.bufferedAmount > 1_048_576) await sent
  }
  await taken
  return performance.now() - began
}

/** Milliseconds, of the one in the middle. */
async function roundTrip(say: (text: Buffer) => void, hear: (listener: () => void) => void): Promise<number> {
  const spans: number[] = []
  const waiting: { resolve: () => void } = { resolve: () => undefined }
  hear(() => waiting.resolve())
  const key = Buffer.alloc(64, 'k')
  for (let count = 0; count < roundTrips + 200; count += 1) {
    const began = performance.now()
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.resolve = resolve
    say(key)
    await promise
    if (count >= 200) spans.push(performance.now() - began)
  }
  return median(spans)
}

async function direct(port: number): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await new Promise((resolve) => socket.once('connect', resolve))
  const span = await roundTrip(
    (text) => void socket.write(text),
    (listener) => void socket.on('data', listener),
  )
  socket.destroy()
  return span
}

async function turnOf({ pid, open }: Contender): Promise<Gave> {
  const before = await cpuSeconds(pid)
  const [down, up] = [await open(), await open()]
  const [downMs, upMs] = [await download(down), await upload(up)]
  const seconds = (await cpuSeconds(pid)) - before
  const one = await open()
  const trip = await roundTrip(
    (text) => one.send(text),
    (listener) => void one.on('message', listener),
  )
  for (const socket of [down, up, one]) socket.terminate()
  return {
    ...{ download: bytes / downMs / 1000, upload: bytes / upMs / 1000, roundTrip: trip },
    secondsPerGb: seconds / ((2 * bytes) / 1e9),
  }
}

/** KB for each of many that are open and silent, through two rounds of pings; and what is more two rounds later. */
async function idle({ pid, open }: Contender, count: number) {
  const many = async (number: number) => {
    const sockets: WebSocket[] = []
    while (sockets.length < number)
      sockets.push(...(await Promise.all(Array.from({ length: Math.min(25, number - sockets.length) }, open))))
    return sockets
  }
  for (const socket of await many(Math.ceil(count / 4))) socket.terminate()
  await wait(5_000)
  const before = await residentKb(pid)
  const sockets = await many(count)
  await wait(25_000)
  const opened = await residentKb(pid)
  const cpu = await cpuSeconds(pid)
  await wait(40_000)
  const later = await residentKb(pid)
  const busy = ((await cpuSeconds(pid)) - cpu) / 40
  for (const socket of sockets) socket.terminate()
  return { kb: (opened - before) / count, later: (later - opened) / count, busy }
}

function opened(url: string, port: number, headers: Readonly<Record<string, string>>): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, [tunnelProtocol], {
      ...{
        perMessageDeflate: false,
        headers,
        createConnection: () => connect({ port, host: '127.0.0.1', noDelay: true }),
      },
    })
    socket.binaryType = 'nodebuffer'
    socket.once('error', reject)
    socket.once('open', () => resolve(socket))
    socket.once('unexpected-response', (_request, answer) => reject(new Error(`refused with ${answer.statusCode}`)))
  })
}

async function told<T>(child: Pinned): Promise<T> {
  while (!child.stdout.join('').includes('\n')) await wait(50)
  return JSON.parse(child.stdout.join('').split('\n')[0] ?? '')
}

interface GatewayTold {
  readonly origin: string
  readonly port: number
  readonly bearer: string
  readonly home: string
}

/** Seconds, there and back. */
async function scp(server: OpenSsh, config: string, alias: string, file: string): Promise<number> {
  const began = performance.now()
  await server.run('scp', ['-q', '-F', config, file, `${alias}:${file}.there`])
  await server.run('scp', ['-q', '-F', config, `${alias}:${file}.there`, `${file}.back`])
  return (performance.now() - began) / 1000
}

function show({ median: middle, least, most }: Figure): string {
  return `${middle} (${least} to ${most})`
}

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const app = createServer(serve)
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve))
  stack.defer(() => void app.close())
  const { port: appPort } = app.address() as AddressInfo // It listens on TCP.
  const server = stack.use(await openSsh())
  const program = (name: string) => fileURLToPath(new URL(`./contenders/${name}`, import.meta.url))
  const scene = [...imageOptions(), program('tunnel-gateway.ts'), String(appPort), String(server.port)]
  const gateway = stack.use(await pinned(1, process.execPath, scene, podEnvironment()))
  const { origin, port, bearer, home } = await told<GatewayTold>(gateway)
  const bridge = stack.use(await pinned(1, process.execPath, [program('ws-bridge.ts'), String(appPort)]))
  const bridgePort = (await told<{ port: number }>(bridge)).port
  const url = `${origin.replace('http', 'ws')}/.gatehouse/tunnel?workspace=team/nb&type=port-forward&port=9000`
  const contenders: readonly Contender[] = [
    {
      ...{ name: 'gatehouse', pid: gateway.pid },
      open: () => opened(url, port, { Host: new URL(origin).host, Authorization: `Bearer ${bearer}` }),
    },
    { name: 'bridge', pid: bridge.pid, open: () => opened(`ws://127.0.0.1:${bridgePort}/`, bridgePort, {}) },
  ]
  const gave = { gatehouse: [] as Gave[], bridge: [] as Gave[] }
  const straight: number[] = []
  const copies = { tunnel: [] as number[], plain: [] as number[] }
  const file = join(server.folder, 'copied')
  await writeFile(file, Buffer.alloc(bytes, 'x'))
  const environment = `HOME=${home} NODE_DISABLE_COMPILE_CACHE=1`
  const tunnel = await server.configure('nb', `env ${environment} ${process.execPath} ${launcher} tunnel team/nb`)
  const plain = await server.configure('plain', `none\n  HostName 127.0.0.1\n  Port ${server.port}`)
  // A first turn makes both allocate and compile what they do only once.
  for (const contender of contenders) await turnOf(contender)
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of contenders) gave[contender.name].push(await turnOf(contender))
    straight.push(await direct(appPort))
    copies.plain.push(await scp(server, plain, 'plain', file))
    copies.tunnel.push(await scp(server, tunnel, 'nb', file))
  }
  const of = (name: 'gatehouse' | 'bridge', what: keyof Gave) => gave[name].map((one) => one[what])
  const say = (line: string) => process.stdout.write(`${line}\n`)
  for (const { name } of contenders) {
    say(
      `${name}: ${show(figureOf(of(name, 'download')))} MB/s to the client, ${show(figureOf(of(name, 'upload')))} from it`,
    )
    say(`${name}: ${show(figureOf(of(name, 'secondsPerGb')))} s of the processor a GB`)
    say(`${name}: ${show(figureOf(of(name, 'roundTrip'), 3))} ms round trip`)
  }
  say(`direct: ${show(figureOf(straight, 3))} ms round trip`)
  say(`processor a GB, of the bridge: ${show(ratioOf(of('gatehouse', 'secondsPerGb'), of('bridge', 'secondsPerGb')))}`)
  say(
    `added round trip: ${show(
      figureOf(
        of('gatehouse', 'roundTrip').map((one, at) => one - (straight[at] ?? 0)),
        3,
      ),
    )} ms`,
  )
  const rate = (spans: readonly number[]) => spans.map((span) => (2 * bytes) / 1e6 / span)
  say(
    `scp: ${show(figureOf(rate(copies.tunnel)))} MB/s through a tunnel, ${show(figureOf(rate(copies.plain)))} without`,
  )
  say(`scp through a tunnel, of that without: ${show(ratioOf(rate(copies.tunnel), rate(copies.plain)))}`)
  for (const contender of contenders) {
    const { kb, later, busy } = await idle(contender, tunnels)
    say(
      `${contender.name}: ${kb.toFixed(1)} KB for each of ${tunnels} idle tunnels, ${later.toFixed(1)} more two pings later, ${(busy * 100).toFixed(1)} % of a core`,
    )
  }
  if ((await readFile(`${file}.back`)).length !== bytes) throw new Error('the copy is not whole')
}

await main()
