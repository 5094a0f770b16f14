/** By what rule workspaces are idle on the real API server: endpoints of real pods, bounds of a template, and a real JupyterLab. Time passes by leaps. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { apply } from '#test/support/cluster-api.ts'
import { openWhenRunning } from '#test/support/cluster-site/site.ts'
import { jupyterContainer, keeperContainer, testImage } from '#test/support/echo-container.ts'
import { type IdleCluster, idleAfter, openIdleCluster, pollAsPage } from '#test/support/idle-cluster.ts'
import { connectKernel, type JupyterClient, openJupyter, startKernel } from '#test/support/jupyter-client.ts'
import { describeWith } from '#test/support/real-parts.ts'
import type { WorkspaceSocket } from '#test/support/workspace-socket.ts'

const seconds = 1_000
const minutes = 60 * seconds
const patience = { timeout: 60 * seconds, interval: 250 }

/** An app that says so. */
const lastActiveAt = (at: number) =>
  keeperContainer([
    [
      '/api/idle',
      { type: 'application/json', body: JSON.stringify({ lastActiveTimestamp: new Date(at).toISOString() }) },
    ],
    ['', { type: 'text/plain', body: 'an app' }],
  ])
const asked = (port: number | string) => {
  const detection = { httpGet: { path: '/api/idle', port } }
  return { appType: 'streamlit', idleShutdown: { enabled: true, idleTimeoutInMinutes: 30, detection } }
}

describeWith('cluster', 'in a cluster', () => {
  let cluster: IdleCluster
  /** When apps are asked that have said when they were used last. */
  let later: number

  /** Of whom an Event says that they were stopped. */
  const toldOf = async (): Promise<readonly string[]> => {
    const events = await cluster.world.do(['get', 'events', '--field-selector=reason=IdleShutdown', '-o', 'json'])
    return JSON.parse(events).items.map((event: { involvedObject: { name: string } }) => event.involvedObject.name)
  }
  /** A tab of JupyterLab that nobody touches, until its socket is closed. */
  async function leaveOpen(lab: JupyterClient, socket: WorkspaceSocket, until: number): Promise<void> {
    while (socket.isOpen() && cluster.now() < until) {
      await pollAsPage(lab, socket)
      await cluster.leap(10 * seconds)
    }
  }

  beforeAll(async () => {
    cluster = await openIdleCluster({
      async prepare(world, now) {
        await world.workspace('lab', 'alice', {
          container: jupyterContainer(),
          spec: { appType: 'jupyterlab', idleShutdown: idleAfter(1) },
        })
        // Longer than the timeout after their start, and sooner than a session is renewed at an issuer, for whom no time has passed.
        later = now + 34 * minutes
        const [before, after] = [lastActiveAt(later - 31 * minutes), lastActiveAt(later - 29 * minutes)]
        await world.workspace('named', 'alice', { container: before, spec: asked('http') })
        await world.workspace('numbered', 'alice', { container: before, spec: asked(8888) })
        await world.workspace('used', 'alice', { container: after, spec: asked('http') })
      },
    })
  }, 120_000)
  afterAll(() => cluster?.[Symbol.asyncDispose]())

  test('[SP13.2] a template that allows 60 to 240 minutes has its way with 59 and with 241', {
    timeout: minutes,
  }, async () => {
    const { world, activityOf } = cluster
    const { team } = world
    await apply({
      ...{ apiVersion: 'workspace.jupyter.org/v1alpha1', kind: 'WorkspaceTemplate' },
      metadata: { namespace: team, name: 'bounded' },
      spec: {
        ...{ displayName: 'Bounded', defaultImage: testImage, defaultIdleShutdown: idleAfter(30) },
        idleShutdownOverrides: { allow: true, minIdleTimeoutInMinutes: 60, maxIdleTimeoutInMinutes: 240 },
      },
    })
    const told = (of: number) => async () => {
      const { policy } = await activityOf(`wants-${of}`)
      return [policy?.timeoutMinutes, policy?.problem]
    }
    for (const of of [59, 60, 240, 241]) {
      const spec = { desiredStatus: 'Stopped', templateRef: { name: 'bounded' }, idleShutdown: idleAfter(of) }
      await world.workspace(`wants-${of}`, 'alice', { spec })
    }
    await expect.poll(told(59), patience).toEqual([30, expect.stringContaining('60 minutes or more')])
    await expect.poll(told(60), patience).toEqual([60, undefined])
    await expect.poll(told(240), patience).toEqual([240, undefined])
    await expect.poll(told(241), patience).toEqual([30, expect.stringContaining('240 minutes at most')])
  })

  test('[SP10.1] [SP10.2] [SP10.4] [SP11.1] an app that was used 31 minutes ago, of 30, is stopped once, asked at a port by its name or number; one of 29 minutes ago is not, nor a JupyterLab whose kernel works. When it has ended, that is stopped in spite of a page that polls and pings every ten seconds', {
    timeout: 3 * minutes,
  }, async () => {
    const { world, alice, activityOf, stops, desired, now, leap, pass } = cluster
    const url = world.url('lab')
    await openWhenRunning(alice, `${url}lab`)
    const lab = await openJupyter(alice, url)
    const id = await startKernel(lab)
    const stateOfKernel = async () => JSON.parse((await lab.ask('GET', `api/kernels/${id}`)).body).execution_state
    const kernel = await connectKernel(lab, id, 'v1')
    kernel.execute('import time; time.sleep(600)').catch(() => undefined)
    await expect.poll(stateOfKernel, patience).toBe('busy')
    const apps = ['named', 'numbered', 'used']
    const isKnown = async (name: string) => (await activityOf(name)).verdict.reason
    const areKnown = async () => (await Promise.all(apps.map(isKnown))).every((reason) => reason === 'active')
    // Of a run that nobody wrote of one waits for what others may have to say: two turns to write, which take minutes.
    for (const until = now() + 4 * minutes; !(await areKnown()) && now() < until; ) await pass(10 * seconds)
    for (const name of apps) expect(await isKnown(name), name).toBe('active')
    expect(stops()).toEqual([])

    // Behind so large a leap nothing is decided for two minutes, which pass by small ones.
    await leap(later - 200 * seconds - now())
    while (stops().length < 2 && now() < later + 40 * seconds) await pass(10 * seconds)
    expect([...stops()].sort()).toEqual(['named', 'numbered'])
    await expect.poll(() => isKnown('used'), patience).toBe('active')
    expect([await desired('named'), await desired('numbered')]).toEqual(['Stopped', 'Stopped'])
    expect([await desired('used'), await desired('lab')]).toEqual(['Running', 'Running'])
    await expect.poll(async () => [...(await toldOf())].sort(), patience).toEqual(['named', 'numbered'])

    await lab.ask('POST', `api/kernels/${id}/interrupt`)
    await expect.poll(stateOfKernel, patience).toBe('idle')
    const endedAt = now()
    await leaveOpen(lab, kernel.socket, endedAt + 5 * minutes)
    expect(await kernel.socket.closed).toMatchObject({ code: 1001 })
    expect(now()).toBeGreaterThan(endedAt + minutes)
    expect(await desired('lab')).toBe('Stopped')
    // Each once, by now as well. The other one was used 30 minutes ago.
    const others = stops().filter((name) => name !== 'used')
    expect(others.sort()).toEqual(['lab', 'named', 'numbered'])
  })
})
