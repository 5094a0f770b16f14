/**
 * Work that goes on without a click, on the real API server and with a timeout of a minute: a kernel of a real JupyterLab, OpenSSH on both sides of a tunnel,
 * and an upload to a pod. Time passes by leaps, and slowly enough for what is looked at every twenty seconds by any clock.
 */
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cookieFor } from '#test/behaviour/gateway/scene.ts'
import { openWhenRunning } from '#test/support/cluster-site/site.ts'
import { jupyterContainer, keeperContainer } from '#test/support/echo-container.ts'
import { type IdleCluster, idleAfter, openIdleCluster } from '#test/support/idle-cluster.ts'
import { connectKernel, openJupyter, startKernel } from '#test/support/jupyter-client.ts'
import { type PersonMachine, personMachine } from '#test/support/person-command.ts'
import { type PodSshd, podSshd } from '#test/support/pod-sshd.ts'
import { describeWith } from '#test/support/real-parts.ts'

const seconds = 1_000
const minute = 60 * seconds
const patience = { timeout: 60 * seconds, interval: 250 }
const launcher = join(import.meta.dirname, '../../bin/gatehouse.js')

/** Says that nobody has used it for long, and so knows of all that was begun in it by a shell. */
const unused = keeperContainer([
  ['/api/idle', { type: 'application/json', body: '{"lastActiveTimestamp": "2026-01-01T00:00:00Z"}' }],
  ['', { type: 'text/plain', body: 'an app' }],
])
const detection = { httpGet: { path: '/api/idle', port: 8888 } }
const appSpec = { appType: 'streamlit', idleShutdown: { ...idleAfter(1), detection } }

const printing = `
import time
for second in range(900):
    print(second, flush=True)
    time.sleep(1)
`

describeWith('cluster', 'in a cluster', () => {
  describeWith('ssh', 'with a timeout of a minute', () => {
    const stack = new AsyncDisposableStack()
    let cluster: IdleCluster
    let sshd: PodSshd
    let machine: PersonMachine
    beforeAll(async () => {
      await using opened = new AsyncDisposableStack()
      sshd = opened.use(await podSshd())
      cluster = opened.use(
        await openIdleCluster({
          settings: () => ({ insecureDirectSsh: true }),
          async prepare(world) {
            const labSpec = { appType: 'jupyterlab', idleShutdown: idleAfter(1) }
            await world.workspace('prints', 'alice', { container: jupyterContainer(), spec: labSpec })
            await world.workspace('uploads', 'alice', { container: unused, spec: appSpec })
            for (const name of ['moves', 'silent'])
              await world.workspace(name, 'alice', { container: sshd.container(unused), spec: appSpec })
          },
        }),
      )
      machine = opened.use(await personMachine())
      expect(await machine.login(cluster.alice, [cluster.world.origin])).toMatchObject({ code: 0 })
      stack.use(opened.move())
    }, 120_000)
    afterAll(() => stack.disposeAsync())

    test('[SP12.1] [SP12.2] a kernel that prints, SSH through which bytes pass and an upload under way outlast it twice over; SSH that is open and silent does not', {
      timeout: 4 * minute,
    }, async () => {
      const { world, alice, lines, activityOf, desired, stops, now, pass } = cluster
      for (const name of ['uploads', 'moves', 'silent']) await openWhenRunning(alice, world.url(name))
      await openWhenRunning(alice, `${world.url('prints')}lab`)
      const lab = await openJupyter(alice, world.url('prints'))
      const kernel = await connectKernel(lab, await startKernel(lab), 'v1')
      using _ = kernel.socket
      kernel.execute(printing).catch(() => undefined)
      const url = world.url('uploads')
      using _upload = uploadTo(`${url}large.bin`, cookieFor(alice, url))
      const proxy = (name: string) =>
        `env HOME=${machine.home} ${process.execPath} ${launcher} tunnel ${world.team}/${name}`
      await using moving = sshd.begin(proxy('moves'), 'while :; do head -c 100000 /dev/zero; sleep 0.2; done')
      await using silent = sshd.begin(proxy('silent'), 'echo begun; sleep 3600')
      await Promise.all([moving.begun, silent.begun])

      const work = {
        prints: 'kernel:busy',
        moves: 'ssh:transfer',
        uploads: expect.stringMatching(/^(transfer:upload|waiting:PUT)$/),
      }
      const busyOf = async (name: string) => (await activityOf(name)).clocks.find(({ clock }) => clock === 'busy')
      for (const [name, source] of Object.entries(work))
        await expect.poll(() => busyOf(name), patience).toMatchObject({ source })
      expect([stops(), silent.isOpen()]).toEqual([[], true])

      const began = now()
      // What was seen once counts for a minute, and is waited for for another one.
      await pass(2 * minute + 15 * seconds, 2 * seconds)
      expect(stops()).toEqual(['silent'])
      expect(await desired('silent')).toBe('Stopped')
      for (const [name, source] of Object.entries(work)) {
        expect(await desired(name), name).toBe('Running')
        const busy = await busyOf(name)
        expect(busy, name).toMatchObject({ source })
        expect(Date.parse(busy?.at ?? ''), name).toBeGreaterThan(began + minute)
      }
      // It was open all the while.
      const closed = () =>
        lines.filter((line) => line.includes('"event":"stream-closed"')).map((line) => JSON.parse(line))
      const ends = () => closed().filter(({ kind }) => kind === 'tunnel')
      await expect
        .poll(ends, patience)
        .toMatchObject([{ workspace: `${world.team}/silent`, reason: 'workspace stopping' }])
      expect(moving.isOpen()).toBe(true)
    })
  })
})

/** A little of it every quarter of a second, and never all of it. */
function uploadTo(url: string, headers: Readonly<Record<string, string>>): Disposable {
  const { host, origin, port, pathname } = new URL(url)
  const fields = { ...headers, Host: host, Origin: origin, 'Content-Length': '100000000' }
  const page = { 'Sec-Fetch-Site': 'same-origin', 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty' }
  const to = { host: '127.0.0.1', port, path: pathname, method: 'PUT', agent: false }
  const asking = request({ ...to, headers: { ...fields, ...page } })
  asking.on('error', () => undefined).flushHeaders()
  const writing = setInterval(() => asking.write(Buffer.alloc(1_000)), 250)
  return {
    [Symbol.dispose]() {
      clearInterval(writing)
      asking.destroy()
    },
  }
}
