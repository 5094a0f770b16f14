/** Sockets that say nothing for hours: the session behind them is renewed, or they end with it. */
import { describe, expect, test } from 'vitest'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { openSocket, type WorkspaceSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'

const minute = 60_000
const hour = 60 * minute

interface Scene extends AsyncDisposable {
  readonly world: World
  readonly clock: FakeClock
  readonly alice: ScriptedBrowser
  readonly url: string
  readonly socket: WorkspaceSocket
  /** When the session ends unless it is renewed. */
  expiresAt(): number | undefined
}

async function silentSocket(): Promise<Scene> {
  await using opened = new AsyncDisposableStack()
  const clock = fakeClock(Date.now())
  opened.use(dateFollows(clock))
  const world = opened.use(await createWorld({ clock }))
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  await alice.open(url)
  const socket = opened.use(await openSocket(alice, url))
  expect(String(await socket.ask('first'))).toBe('first')
  const expiresAt = () => {
    const [record] = world.open.identities.sessions.find(({ spec }) => spec.username === 'alice')
    return record && Date.parse(record.spec.expiresAt)
  }
  const all = opened.move()
  return { world, clock, alice, url, socket, expiresAt, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** Nobody but the socket uses the session. */
async function passRenewal({ world, clock, expiresAt }: Scene): Promise<void> {
  const before = expiresAt() ?? 0
  await clock.advance(before - clock.now() - 9 * minute)
  await world.until(() => (expiresAt() ?? 0) > before, 'the renewal')
}

describe('a socket on which nobody says anything', () => {
  test('stays up through renewals, hours past the first one', async () => {
    await using scene = await silentSocket()
    const began = scene.clock.now()
    for (let renewals = 0; renewals < 4; renewals++) {
      await passRenewal(scene)
      expect(scene.socket.isOpen()).toBe(true)
    }
    expect(scene.clock.now() - began).toBeGreaterThan(3 * hour)
    expect(String(await scene.socket.ask('still here'))).toBe('still here')
    expect((await scene.alice.navigate(scene.url)).status).toBe(200)
  })

  test('is closed with 1008 when the renewal is refused, past the first hour', async () => {
    await using scene = await silentSocket()
    await passRenewal(scene)
    await scene.clock.advance(20 * minute)
    expect(scene.socket.isOpen()).toBe(true)
    scene.world.identityProvider.admin.revokeGrants('alice')
    await scene.clock.advance(40 * minute)
    expect(await scene.socket.closed).toMatchObject({ code: 1008, reason: 'session ended' })
    expect(scene.expiresAt()).toBeUndefined()
    expect((await scene.alice.navigate(scene.url)).status).toBe(302)
  })

  test('lives to the end of the session while the issuer is away, and not a moment longer', async () => {
    await using scene = await silentSocket()
    const { clock, world, socket, expiresAt } = scene
    await world.identityProvider.admin.stopListening()
    const end = expiresAt() ?? 0
    await clock.advance(end - clock.now() - 1)
    expect(socket.isOpen()).toBe(true)
    expect(String(await socket.ask('nearly over'))).toBe('nearly over')
    await clock.advance(1)
    expect(await socket.closed).toMatchObject({ code: 1008 })
  })

  test('ends after twelve hours, whatever the issuer says', async () => {
    await using scene = await silentSocket()
    const { clock, socket } = scene
    const began = clock.now()
    const horizon = scene.world.open.identities.sessions.find(() => true)[0]?.spec.notAfter ?? ''
    expect(Date.parse(horizon) - began).toBeLessThanOrEqual(12 * hour)
    while ((scene.expiresAt() ?? 0) < Date.parse(horizon)) await passRenewal(scene)
    await clock.advance(Date.parse(horizon) - clock.now() - 1)
    expect(socket.isOpen()).toBe(true)
    await clock.advance(1)
    expect(await socket.closed).toMatchObject({ code: 1008 })
    expect(clock.now() - began).toBeGreaterThan(11 * hour)
  })
})
