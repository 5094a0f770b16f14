/** Of the end of a workspace those are told whose IDE or shell is open and who look at no page: on standard error of the command line, and nowhere else. */
import { connect } from 'node:net'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { isCliFault } from '#cli/client/cli-fault.ts'
import { join } from '#cli/client/open-tunnel.ts'
import { paths } from '#surface/urls.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { tunnelScene } from '#test/support/tunnel-scene.ts'
import { openTunnel } from '#tunnel/client.ts'
import { templateKind } from '#workspace/template.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const minute = 60_000

test('five minutes before a workspace is stopped because nobody works in it, or since its time is up, a tunnel is told so once each time, then closed with 1001', async () => {
  const clock = fakeClock()
  using _ = dateFollows(clock)
  const idleShutdown = { enabled: true, idleTimeoutInMinutes: 30, detection: {} }
  await using scene = await tunnelScene({ clock, spec: { idleShutdown, templateRef: { name: 'short' } } })
  const { world, ref } = scene
  const metadata = { namespace: ref.namespace, name: 'short' }
  await world.resources.create(templateKind, { metadata, spec: { idleShutdownRules: { maxLifetimeInMinutes: 45 } } })
  const [bearer, alice] = [await scene.bearer('alice'), await world.as('alice')]
  const line = await openLine(scene.world.port, bearer)
  // A client that knows no notices is told nothing that it would take for bytes.
  const plain = { url: `${world.url(ref)}ssh-ws`, protocols: [] }
  using other = await scene.open(bearer, plain)
  const until = async (end: number) => {
    while (clock.now() - began < end) await clock.advance(minute)
  }
  const began = clock.now()
  await until(23 * minute)
  expect(line.said()).toEqual([])
  await until(28 * minute)
  const byIdleness = expect.stringMatching(
    /^gatehouse: the workspace will be stopped in [45] min, unless somebody works in it; to keep it for an hour: "gatehouse activity WORKSPACE --keep"$/,
  )
  await world.until(() => line.said().length === 1, 'it is said')
  expect(line.said()).toEqual([byIdleness])

  // A page that a person opens puts it off, up to the longest that it may run.
  expect((await alice.open(world.url(ref))).status).toBe(200)
  await until(38 * minute)
  expect(line.said()).toEqual([byIdleness])
  await until(43 * minute)
  await world.until(() => line.said().length === 2, 'the other one is said')
  expect(line.said()[1]).toMatch(
    /^gatehouse: the workspace will be stopped in [45] min, since it has run for as long as is allowed$/,
  )
  await until(48 * minute)
  const ended = await line.ended
  expect(isCliFault(ended, 'tunnel_closed') && ended.message).toContain('the workspace stops')
  expect((await world.resources.get(workspaceKind, ref))?.spec.desiredStatus).toBe('Stopped')
  expect(line.said().length).toBe(2)
  expect(await other.closed).toMatchObject({ code: 1001 })
  expect([line.bytes(), other.received().length, other.texts]).toEqual([0, 0, []])

  /** The end of a tunnel that `gatehouse tunnel` has, in this process: its clock is that of the test. */
  async function openLine(port: number, secret: string) {
    const socket = connect({ port, host: '127.0.0.1' })
    const opened = await openTunnel({
      connection: socket,
      authority: `localhost:${port}`,
      target: `${paths.tunnel}?workspace=${ref.namespace}/${ref.name}`,
      authorization: `Bearer ${secret}`,
      clock,
    })
    if (opened.kind === 'refused') throw new Error(`refused with ${opened.status}`)
    let bytes = 0
    const told: string[] = []
    const writable = new PassThrough().on('data', (piece: Buffer) => {
      bytes += piece.length
    })
    const io = {
      clock,
      signal: new AbortController().signal,
      stderr: { write: (text: string) => void told.push(text) },
    }
    const stream = { readable: new PassThrough(), writable }
    const ended = join({ ...io, tunnel: opened, stream }).catch((error: unknown) => error)
    return {
      ended,
      said: () => told.map((line) => line.replace(/\n$/, '')),
      bytes: () => bytes,
    }
  }
})
