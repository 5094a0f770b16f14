/** What somebody does in a real JupyterLab keeps it, one gesture at a time, on the real API server and with a timeout of a minute. Time passes by leaps. */
import { expect, test } from 'vitest'
import { openWhenRunning } from '#test/support/cluster-site/site.ts'
import { jupyterContainer, keeperContainer } from '#test/support/echo-container.ts'
import { idleAfter, openIdleCluster, pollAsPage } from '#test/support/idle-cluster.ts'
import { connectKernel, openJupyter, startKernel } from '#test/support/jupyter-client.ts'
import { describeWith } from '#test/support/real-parts.ts'

const seconds = 1_000
const minutes = 60 * seconds
const patience = { timeout: 60 * seconds, interval: 250 }

describeWith('cluster', 'in a cluster', () => {
  test('[SP11.2] a JupyterLab whose page polls and pings runs on for a cell that is run within its timeout, then for a file that is saved, then for a key that is pressed in a terminal, each of them the one gesture in longer than that', {
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
      },
    })
    const { world, alice, activityOf, desired, stops, now, pass } = cluster
    const url = world.url('lab')
    // Nobody does anything in it: it is stopped once the time of the other one has come but for what was done there.
    await expect.poll(async () => (await activityOf('left')).verdict.reason, patience).toBe('active')
    await openWhenRunning(alice, `${url}lab`)
    const lab = await openJupyter(alice, url)
    const { socket, execute } = await connectKernel(lab, await startKernel(lab), 'v1')
    using _ = socket

    /** Less than the timeout; twice as long is longer than that, and than all that a stop takes. */
    const most = 40 * seconds
    const leaveOpen = async () => {
      for (const end = now() + most; now() < end; ) {
        await pollAsPage(lab, socket)
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
    await leaveOpen()
    await keeps(() => execute('1+1'), 'kernel:execute_request')
    expect(stops()).toEqual(['left'])
    const file = { type: 'file', format: 'text', content: 'saved' }
    const save = async () => expect((await lab.ask('PUT', 'api/contents/a.txt', file)).status).toBe(201)
    await keeps(save, 'contents:PUT')
    const terminal = JSON.parse((await lab.ask('POST', 'api/terminals', {})).body).name
    using keyboard = await lab.socket(`terminals/websocket/${terminal}`)
    last = now()
    await leaveOpen()
    await keeps(async () => keyboard.ws.send(JSON.stringify(['stdin', 'l'])), 'terminal:stdin')
    expect(stops()).toEqual(['left'])
  })
})
