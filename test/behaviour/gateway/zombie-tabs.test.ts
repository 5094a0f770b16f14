import { expect, test } from 'vitest'
import { activityKind } from '#activity/activity-record.ts'
import { type FaultyResources, faultyResources, type Operation } from '#test/support/faulty-resources.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { cookieFor, modes, workspaceOf } from './scene.ts'

const asking: readonly Operation[] = ['list', 'get', 'create', 'replace', 'patchSpec', 'patchStatus', 'delete']

/** As JupyterLab asks every ten seconds, from a tab that nobody looks at. */
const polls = ['api/kernels?1', 'api/sessions?2', 'api/terminals?3', 'api/contents/?content=1', 'api/status']

test.each(modes)(
  'in %s mode: the tab of a workspace that was stopped is told 424 and when to come again, from memory; its socket closes once, and nothing it does wakes it',
  async (mode) => {
    await using world = await createWorld({ mode })
    const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    let store: FaultyResources | undefined
    const { port } = await world.replica({
      resources: (shared) => {
        store = faultyResources(shared)
        return store
      },
    })
    const alice = await world.as('alice')
    await alice.open(url)
    const origin = new URL(url).origin
    const headers = {
      ...cookieFor(alice, url),
      Origin: origin,
      'Sec-Fetch-Mode': 'cors',
      'Sec-Fetch-Site': 'same-origin',
    }
    const poll = (path: string) => plainRequest(url + path, { headers, port })
    await world.until(async () => (await poll('api/status')).status === 200, 'the replica serves it')
    const socket = await openSocket(alice, url, { port })

    await world.resources.patchSpec(workspaceKind, ref, { desiredStatus: 'Stopped' })
    expect(await socket.closed).toMatchObject({ code: 1001, reason: 'workspace stopping' })
    await world.until(async () => (await poll('api/status')).status === 424, 'it is stopped')
    const isWritten = async () => (await world.resources.list(activityKind)).items.length === 2
    await world.until(isWritten, 'both replicas have written down what they saw, and will not again within a minute')
    const calls = () => asking.reduce((sum, operation) => sum + (store?.calls(operation) ?? 0), 0)
    const [before, seen, started] = [calls(), app.requests.length, world.runtime.started.length]
    for (let round = 0; round < 10; round += 1) {
      for (const path of polls) {
        const { status, headers: told, body } = await poll(path)
        expect([status, told['retry-after'], told.location]).toEqual([424, '30', undefined])
        expect(JSON.parse(body)).toMatchObject({ code: 'workspace_stopped' })
      }
      const refused = await refusedSocket(alice, url, { port })
      expect([refused.status, refused.headers['retry-after']]).toEqual([424, '30'])
    }
    // A browser that restores its tabs comes by navigations: they lead to the page where a person may start it.
    const restored = {
      ...cookieFor(alice, url),
      'Sec-Fetch-Mode': 'navigate',
      'Sec-Fetch-Dest': 'document',
      'Sec-Fetch-Site': 'none',
    }
    const answer = await plainRequest(url, { headers: restored, port })
    expect(answer.status).toBeGreaterThanOrEqual(302)
    expect(answer.headers.location).toContain('/.gatehouse/open/team/nb')

    expect(calls()).toBe(before)
    expect(app.requests.length).toBe(seen)
    expect(world.runtime.started.length).toBe(started)
    expect((await workspaceOf(world, ref)).spec.desiredStatus).toBe('Stopped')
  },
)
