/**
 * The network between client and gateway, and between gateway and app, breaks in every way that networks do: what comes out is the right
 * answer or a clean end, never a part that looks whole, and never anything of somebody else's.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { LinkFaults } from '#test/support/link-faults.ts'
import { type TcpRelay, tcpRelay } from '#test/support/tcp-relay.ts'
import { type HttpScene, httpScene } from './scene.ts'

const bodyIdle = 600
const size = 20_000

let opened: AsyncDisposableStack
let scene: HttpScene
/** Between client and gateway, and between gateway and app. */
let links: { readonly client: TcpRelay; readonly app: TcpRelay }
/** Requests that the app is at work on. */
let atWork = 0

/** Of its own for each path, so that anything of another answer shows. */
function content(path: string, length: number): Buffer {
  return Buffer.alloc(length, `${path} `)
}

const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

async function serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
  const path = incoming.url ?? ''
  const pieces: Buffer[] = []
  for await (const piece of incoming) pieces.push(piece)
  const length = Number(/\d+/.exec(path)?.[0] ?? size)
  const bytes = incoming.method === 'POST' ? Buffer.from(digestOf(Buffer.concat(pieces))) : content(path, length)
  if (path.startsWith('/closing')) answer.writeHead(200, { Connection: 'close' }).shouldKeepAlive = false
  else if (!path.startsWith('/chunked')) answer.setHeader('Content-Length', bytes.length)
  if (path.startsWith('/closing')) answer.useChunkedEncodingByDefault = false
  for (let at = 0; at < bytes.length; at += 65_536) answer.write(bytes.subarray(at, at + 65_536))
  answer.end()
}

beforeAll(async () => {
  opened = new AsyncDisposableStack()
  const server = createServer((incoming, answer) => {
    atWork += 1
    answer.once('close', () => {
      atWork -= 1
    })
    // A client that breaks off its body.
    serve(incoming, answer).catch(() => answer.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  opened.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const app = opened.use(await tcpRelay({ host: '127.0.0.1', port }))
  const limits = { uploadIdle: bodyIdle, downloadIdle: bodyIdle }
  scene = opened.use(
    await httpScene(
      { kind: 'tcp', host: '127.0.0.1', port: app.port },
      { settings: (settings) => ({ ...settings, limits: { ...settings.limits, ...limits } }) },
    ),
  )
  links = { app, client: opened.use(await tcpRelay({ host: '127.0.0.1', port: scene.world.port })) }
})
afterAll(() => opened.disposeAsync())
afterEach(() => {
  for (const link of Object.values(links)) {
    link.faults = {}
    link.cut()
  }
})

type Ending =
  | { readonly kind: 'answer'; readonly status: number; readonly body: Buffer }
  | { readonly kind: 'broken'; readonly why: string }

/** By a client that takes nothing for whole that was not said to be. */
function ask(path: string, by: 'alice' | 'bob', upload?: Buffer): Promise<Ending> {
  return new Promise((resolve) => {
    const broken = (why: string) => resolve({ kind: 'broken', why })
    const headers = { Host: scene.host, Cookie: scene.cookies[by], Origin: scene.origin }
    const framing = upload === undefined || path.startsWith('/chunked') ? {} : { 'Content-Length': upload.length }
    const call = request({
      ...{ host: '127.0.0.1', port: links.client.port, path, agent: false },
      method: upload === undefined ? 'GET' : 'POST',
      headers: { ...headers, ...framing },
    })
    call.on('error', ({ message }) => broken(message))
    call.on('response', (message) => {
      const pieces: Buffer[] = []
      message.on('data', (piece: Buffer) => pieces.push(piece))
      message.on('error', ({ message: why }) => broken(why))
      message.on('end', () => {
        if (message.complete) resolve({ kind: 'answer', status: message.statusCode ?? 0, body: Buffer.concat(pieces) })
        else broken('incomplete')
      })
    })
    call.end(upload)
  })
}

interface Asked {
  readonly path: string
  readonly upload?: Buffer
}

/** Answers by length, in chunks and to the end of the connection; a body by length and in chunks. */
function everything(name: string, length = size): readonly Asked[] {
  const upload = content(`/${name}`, length)
  return [
    { path: `/counted/${length}/${name}` },
    { path: `/chunked/${length}/${name}` },
    { path: `/closing/${length}/${name}` },
    { path: `/counted/up/${name}`, upload },
    { path: `/chunked/up/${name}`, upload },
  ]
}

const right = ({ path, upload }: Asked, length = size): Ending => ({
  kind: 'answer',
  status: 200,
  body: upload === undefined ? content(path, length) : Buffer.from(digestOf(upload)),
})

/** All at once, by two people. Each gets the whole answer to what was asked, or an error that says so, or a clean break. */
async function judged(name: string, length = size): Promise<{ readonly whole: number; readonly ended: number }> {
  const asked = everything(name, length)
  const endings = await Promise.all(
    asked.map(({ path, upload }, index) => ask(path, index % 2 === 0 ? 'alice' : 'bob', upload)),
  )
  let whole = 0
  endings.forEach((ending, index) => {
    const of = asked[index]
    if (!of || ending.kind === 'broken') return
    if (ending.status === 200) {
      expect(ending, of.path).toEqual(right(of, length))
      whole += 1
    } else {
      expect([408, 502, 504], `${of.path}: ${ending.body}`).toContain(ending.status)
      expect(JSON.parse(ending.body.toString())).toMatchObject({ status: ending.status })
    }
  })
  return { whole, ended: asked.length - whole }
}

/** With the network as it should be, everything is right again, for everybody, and nobody is still at work for somebody who has gone. */
async function allIsWellAfter(name: string): Promise<void> {
  for (const link of Object.values(links)) link.faults = {}
  expect(await judged(`after-${name}`)).toMatchObject({ ended: 0 })
  await expect.poll(() => atWork).toBe(0)
}

describe.each(['client', 'app'] as const)('the network of the %s', (side) => {
  const slow: readonly (readonly [how: string, length: number, faults: LinkFaults])[] = [
    ['passes a byte at a time', 300, { piece: 1 }],
    ['takes 40 ms', size, { latency: 40 }],
    ['passes 400 KB a second', size, { bandwidth: 400_000 }],
    ['takes 5 ms, passes 2 MB a second, and in odd pieces', size, { latency: 5, bandwidth: 2_000_000, piece: 997 }],
  ]
  test.each(slow)('%s: every answer is right', async (how, length, faults) => {
    links[side].faults = { there: faults, back: faults }
    expect(await judged(how.replaceAll(/\W/g, '-'), length)).toMatchObject({ ended: 0 })
    await allIsWellAfter('slowness')
  })

  // Within the head, behind it, within a body, at its last bytes.
  const places = [0, 1, 17, 200, 500, 600, 1_000, 5_000, 19_999, 20_100, 20_200]
  const breaks: readonly (readonly [how: string, faults: (at: number) => LinkFaults])[] = [
    ['resets', (resetAfter) => ({ resetAfter })],
    ['ends', (endAfter) => ({ endAfter })],
  ]
  for (const way of ['there', 'back'] as const) {
    test.each(breaks)(
      `%s after any number of bytes (${way}): a part is never taken for the whole`,
      async (how, faults) => {
        let ended = 0
        for (const place of places) {
          links[side].faults = { [way]: faults(place) }
          ended += (await judged(`${how}-${way}-${place}`)).ended
          links[side].cut()
        }
        expect(ended).toBeGreaterThan(0)
        await allIsWellAfter(how)
      },
    )
  }

  test('resets what is under way at any time: nobody gets anything of somebody else', async () => {
    for (let round = 0; round < 12; round += 1) {
      const cutting = sleep(round * 2).then(() => links[side].cut())
      await Promise.all([judged(`cut-${round}`), cutting])
    }
    await allIsWellAfter('cuts')
  })
})

describe('a network that swallows everything from some point on', () => {
  const length = 32 << 20

  test('between gateway and app, amid an answer: the client is told by a break within the limit', async () => {
    for (const path of [`/counted/${length}/a`, `/chunked/${length}/b`, `/closing/${length}/c`]) {
      links.app.faults = { back: { silentAfter: 100_000 } }
      expect(await ask(path, 'alice')).toMatchObject({ kind: 'broken' })
    }
    links.app.cut()
    await allIsWellAfter('silence')
  })

  test('between gateway and app, amid an upload: 504 within the limit', async () => {
    links.app.faults = { there: { silentAfter: 100_000 } }
    for (const path of ['/counted/up', '/chunked/up']) {
      expect(await ask(path, 'alice', content(path, length))).toMatchObject({ kind: 'answer', status: 504 })
    }
    links.app.cut()
    await allIsWellAfter('silence')
  })

  test('between client and gateway: the app is let go within the limit, whether it sends or reads', async () => {
    links.client.faults = { back: { silentAfter: 100_000 } }
    const download = ask(`/counted/${length}/a`, 'alice')
    await expect.poll(() => atWork).toBe(1)
    await expect.poll(() => atWork).toBe(0)
    links.client.faults = { there: { silentAfter: 100_000 } }
    const upload = ask('/counted/up', 'bob', content('/x', length))
    await expect.poll(() => atWork).toBe(1)
    await expect.poll(() => atWork).toBe(0)
    expect(await upload).toMatchObject({ kind: 'answer', status: 408 })
    links.client.cut()
    expect(await download).toMatchObject({ kind: 'broken' })
    await allIsWellAfter('silence')
  })

  test('before a byte of the answer: whoever asked may leave, and the app is let go', async () => {
    links.app.faults = { back: { silentAfter: 0 } }
    const waiting = ['alice', 'bob'].map((by) => ask('/counted/10/x', by === 'alice' ? 'alice' : 'bob'))
    await expect.poll(() => scene.world.open.streams.all().reduce((sum, group) => sum + group.size, 0)).toBe(2)
    links.client.cut()
    for (const ending of await Promise.all(waiting)) expect(ending).toMatchObject({ kind: 'broken' })
    await expect.poll(() => scene.world.open.streams.all()).toEqual([])
    links.app.cut()
    await allIsWellAfter('silence')
    for (const link of Object.values(links)) link.cut()
    await expect.poll(() => [links.client.size, links.app.size]).toEqual([0, 0])
  })
})
