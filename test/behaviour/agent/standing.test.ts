/** What people are told of the agent of a workspace, and what `gatehouse doctor` makes of it. */
import { expect, test } from 'vitest'
import type { Finding } from '#cli/doctor/probes.ts'
import { checkView } from '#cli/doctor/workspace.ts'
import { linkProtocol } from '#link/frames.ts'
import { LinkVisits } from '#link/link-visits.ts'
import type { WorkspaceView } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import { type AgentScene, agentScene } from '#test/support/agent-scene.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { personMachine } from '#test/support/person-command.ts'

async function agentIn({ world, ref }: AgentScene, person: ScriptedBrowser): Promise<WorkspaceView['agent']> {
  return JSON.parse((await person.fetch(world.origin + api.workspace(ref))).body).agent
}

const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/)

test('whoever may open a workspace sees whether its agent is connected, since when, and whether it is one of before; doctor says what is wrong with it', async () => {
  await using scene = await agentScene()
  const { world, ref } = scene
  const alice = await world.as('alice')
  await using machine = await personMachine()
  expect(await machine.login(alice, [world.origin])).toMatchObject({ code: 0 })
  const doctor = async () => {
    const { code, stdout } = await machine.run(['doctor', 'team/nb', '-o', 'json'])
    const findings: readonly Finding[] = JSON.parse(stdout)
    return { code, of: (check: string) => findings.find((one) => one.check === check) }
  }
  await alice.open(`${world.origin}/`)
  expect(await agentIn(scene, alice)).toEqual({ connected: false })
  const never = await doctor()
  expect(never.code).toBe(1)
  expect(never.of('agent')).toMatchObject({
    verdict: 'missing',
    found: 'it is not connected now',
    remedy: expect.stringContaining('docs/agent.md'),
  })
  // Nothing that can't be reached is taken for a fault of the image.
  expect(never.of('sshd')).toBeUndefined()

  await scene.startAgent()
  await world.until(() => scene.isReady(), 'it is there')
  expect(await agentIn(scene, alice)).toEqual({ connected: true, since: time, holds: true })
  const there = await doctor()
  expect(there.of('workspace')).toMatchObject({ verdict: 'ok', found: 'team/nb runs' })
  expect(there.of('agent')).toMatchObject({ verdict: 'ok', found: expect.stringMatching(/^it is connected since 2/) })

  await scene.stopAgents()
  await world.until(async () => (await agentIn(scene, alice))?.connected === false, 'it has left')
  expect(await agentIn(scene, alice)).toEqual({ connected: false, since: time, holds: true })
  expect((await doctor()).of('agent')).toMatchObject({
    verdict: 'missing',
    found: expect.stringMatching(/^it is not connected since 2.* \(\d+s\)$/),
  })

  using old = await scene.link(await scene.token(), {}, [linkProtocol]).then((link) => {
    if (typeof link === 'number') throw new Error(`refused with ${link}`)
    return link
  })
  await world.until(async () => (await agentIn(scene, alice))?.connected === true, 'an older one is there')
  expect(await agentIn(scene, alice)).toMatchObject({ holds: false })
  old.ws.terminate()

  const stranger = await world.as('dave')
  await stranger.open(`${world.origin}/`)
  expect((await stranger.fetch(world.origin + api.workspace(ref))).status).toBe(404)
})

test('a second link changes nothing since when it is here, and the last one that goes does', async () => {
  const clock = fakeClock(1_000)
  const visits = new LinkVisits(clock)
  expect(visits.of('pod')).toBeUndefined()
  visits.left('pod')
  expect(visits.of('pod')).toBeUndefined()
  visits.came('pod', true)
  await clock.advance(500)
  visits.came('pod', true)
  expect(visits.of('pod')).toEqual({ isHere: true, since: 1_000, canHold: true })
  visits.left('pod')
  await clock.advance(500)
  visits.left('pod')
  expect(visits.of('pod')).toEqual({ isHere: false, since: 1_500, canHold: true })
  visits.came('pod', false)
  expect(visits.of('pod')).toEqual({ isHere: true, since: 2_000, canHold: false })
})

test.each([
  ['Stopped', 'team/nb is stopped', 'gatehouse start team/nb'],
  ['Degraded', 'team/nb is not ready: Degraded (CrashLoop): It ends again and again.', 'gatehouse logs team/nb'],
] as const)('of a workspace that is %s doctor says what to do', (state, found, remedy) => {
  const view: WorkspaceView = {
    ...{ namespace: 'team', name: 'nb', displayName: '', owner: 'alice', mine: true, grant: 'owner', state },
    ...{ reason: 'CrashLoop', message: 'It ends again and again.', steps: [], ports: [], url: 'https://nb/' },
    can: { open: true, start: true, stop: true, share: true, logs: true },
  }
  const [finding] = checkView(view, 0)
  expect(finding).toMatchObject({ check: 'workspace', verdict: 'missing', found })
  expect(finding?.remedy).toContain(remedy)
})

test('an agent of an earlier version is named as such, and is no fault', () => {
  const view: WorkspaceView = {
    ...{ namespace: 'team', name: 'nb', displayName: '', owner: 'alice', mine: true, grant: 'owner', state: 'Running' },
    ...{ reason: 'Ready', message: '', steps: [], ports: [], url: 'https://nb/' },
    can: { open: true, start: false, stop: true, share: true, logs: true },
    agent: { connected: true, since: '1970-01-01T00:00:00.000Z', holds: false },
  }
  expect(checkView(view, 7_200_000)[1]).toMatchObject({
    ...{ check: 'agent', verdict: 'unknown', remedy: expect.stringContaining('image') },
    found: expect.stringContaining('(2h), but of an earlier version'),
  })
})
