/**
 * What somebody does in a real JupyterLab keeps it, one gesture at a time, and what is done in an app beside one, where that counts: on the real API server
 * and with a timeout of a minute. Time passes by leaps.
 */
import { expect, test } from 'vitest'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { openWhenRunning } from '#test/support/cluster-site/site.ts'
import { jupyterContainer, keeperContainer, withEcho } from '#test/support/echo-container.ts'
import { idleAfter, openIdleCluster, pollAsPage } from '#test/support/idle-cluster.ts'
import { connectKernel, type JupyterClient, openJupyter, startKernel } from '#test/support/jupyter-client.ts'
import { describeWith } from '#test/support/real-parts.ts'
import type { ServedCluster } from '#test/support/served-cluster.ts'
import { openSocket, type WorkspaceSocket } from '#test/support/workspace-socket.ts'

const seconds = 1_000
const minutes = 60 * seconds
const patience = { timeout: 60 * seconds, interval: 250 }
const appPort = 9000

/** A JupyterLab with an app beside it, by what the port of that says beside its name and number. */
const beside: ReadonlyMap<string, object> = new Map([
  ['unsaid', {}],
  ['counted', { activity: 'count' }],
])

describeWith('cluster', 'in a cluster', () => {
  test('[SP11.2] [DK11.2] a JupyterLab whose page polls and pings runs on for a cell that is run within its timeout, then for a file that is saved, then for a key that is pressed in a terminal, each of them the one gesture in longer than that; what is done in an app beside one, and in nothing else, keeps it only where the port of that says that it counts, and what is done in itself always', {
    timeout: 3 * minutes,
  }, async () => {
    await using cluster = await openIdleCluster({
      async prepare(world) {
        const idleShutdown = idleAfter(1)
        const app = keeperContainer([['', { type: 'text/plain', body: 'an app' }]])
        await world.workspace('lab', 'alice', {
          container: jupyterContainer(),
          spec: { appType: 'jupyterlab', idleShutdown },
        })
        await world.workspace('left', 'alice', { container: app, spec: { appType: 'streamlit', idleShutdown } })
        for (const [name, fields] of beside) {
          const ports = [
            { name: 'lab', port: 8888 },
            { name: 'streamlit', port: appPort, ...fields },
          ]
          const spec = { appType: 'jupyterlab', idleShutdown, ports }
          await world.workspace(name, 'alice', { container: withEcho(appPort, jupyterContainer()), spec })
        }
      },
    })
    const { world, alice, activityOf, desired, stops, now, pass } = cluster
    const interactiveOf = async (name: string) =>
      (await activityOf(name)).clocks.find(({ clock }) => clock === 'interactive')
    const url = world.url('lab')
    // Nobody does anything in it: it is stopped once the time of the other one has come but for what was done there.
    await expect.poll(async () => (await activityOf('left')).verdict.reason, patience).toBe('active')
    const edited = await openBoth(world, alice)
    await openWhenRunning(alice, `${url}lab`)
    const lab = await openJupyter(alice, url)
    const { socket, execute } = await connectKernel(lab, await startKernel(lab), 'v1')
    using _ = socket
    const edit = async () => {
      for (const { name, ide } of edited) {
        await save(ide)
        expect(await interactiveOf(name), name).toMatchObject({ source: 'contents:PUT', user: 'alice' })
      }
    }

    /** Less than the timeout; twice as long is longer than that, and than all that a stop takes. */
    const most = 40 * seconds
    const leaveOpen = async () => {
      for (const end = now() + most; now() < end; ) {
        await Promise.all([pollAsPage(lab, socket), ...edited.map(({ useApp }) => useApp())])
        await pass(Math.min(10 * seconds, end - now()))
      }
    }
    let last = now()
    const keeps = async (gesture: () => Promise<unknown>, source: string) => {
      const made = now()
      await gesture()
      await leaveOpen()
      expect(now()).toBeGreaterThan(last + 2 * most)
      last = made
      const [status, { verdict, clocks }] = await Promise.all([desired('lab'), activityOf('lab')])
      expect(status).toBe('Running')
      const interactive = clocks.find(({ clock }) => clock === 'interactive')
      expect([verdict.kind, interactive]).toMatchObject(['not-idle', { source, user: 'alice' }])
      expect(Date.parse(interactive?.at ?? '')).toBeGreaterThanOrEqual(Math.floor(made / seconds) * seconds)
    }
    await edit()
    await leaveOpen()
    await edit()
    await keeps(() => execute('1+1'), 'kernel:execute_request')
    expect(stops()).toEqual(['left'])
    await keeps(() => save(lab), 'contents:PUT')
    const terminal = JSON.parse((await lab.ask('POST', 'api/terminals', {})).body).name
    using keyboard = await lab.socket(`terminals/websocket/${terminal}`)
    last = now()
    await leaveOpen()
    await keeps(async () => keyboard.ws.send(JSON.stringify(['stdin', 'l'])), 'terminal:stdin')
    expect(stops()).toEqual(['left', 'unsaid'])
    const [unsaid, counted] = edited
    expect(await unsaid?.socket.closed).toMatchObject({ code: 1001 })
    expect([counted?.socket.isOpen(), await desired('counted')]).toEqual([true, 'Running'])
    expect(await interactiveOf('counted')).toMatchObject({ source: 'navigation', user: 'alice' })
    counted?.socket[Symbol.dispose]()
  })
})

async function save(lab: JupyterClient): Promise<void> {
  const file = { type: 'file', format: 'text', content: 'saved' }
  expect([200, 201]).toContain((await lab.ask('PUT', 'api/contents/a.txt', file)).status)
}

/** Both of them, and the apps beside them. */
async function openBoth(world: ServedCluster, alice: ScriptedBrowser) {
  const opened: { name: string; ide: JupyterClient; socket: WorkspaceSocket; useApp(): Promise<void> }[] = []
  for (const name of beside.keys()) {
    const [tab, page, url] = [alice.tab(), alice.tab(), world.url(name, appPort)]
    await openWhenRunning(tab, `${world.url(name)}lab`)
    expect(JSON.parse((await openWhenRunning(page, url)).body)).toMatchObject({ port: appPort })
    const socket = await openSocket(page, `${url}_stcore/stream`)
    const useApp = async () => {
      // What is stopped meanwhile need not answer.
      await page.open(url).catch(() => undefined)
      if (socket.isOpen()) socket.ws.send('a click')
    }
    opened.push({ name, ide: await openJupyter(tab, world.url(name)), socket, useApp })
  }
  return opened
}
