import { describe, expect, test } from 'vitest'
import type { Settings } from '#settings/settings.ts'
import { paths } from '#surface/urls.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { type TunnelAsked, type TunnelScene, tunnelScene } from '#test/support/tunnel-scene.ts'
import { shareFor } from './shares.ts'

const shown = ({ status, code }: { readonly status: number; readonly code: string }) => `${status} ${code}`

describe('before there is a 101', () => {
  test('a program alone is heard: a bearer, no cookie, no page', async () => {
    await using scene = await tunnelScene()
    const { world } = scene
    const bearer = await scene.bearer('alice')
    const browser = await world.as('alice')
    const Cookie = browser.cookieHeader(world.origin) ?? ''
    expect(Cookie).not.toBe('')
    const ask = async (asked: TunnelAsked) => shown(await scene.refused(asked))
    expect(await ask({})).toBe('401 unauthorized')
    expect(await ask({ headers: { Cookie } })).toBe('401 unauthorized')
    expect(await ask({ headers: { Cookie, Origin: world.origin } })).toBe('403 cross_origin')
    expect(await ask({ bearer, headers: { Origin: world.origin } })).toBe('403 cross_origin')
    expect(await ask({ bearer: `${bearer}x` })).toBe('401 unauthorized')
    expect(await ask({ bearer, query: { token: bearer } })).toBe('400 bad_request')
    expect(scene.app.accepted()).toBe(0)
    const reasons = world.audit.flatMap((event) => (event.event === 'deny' ? [event.reason] : []))
    expect(reasons.slice(0, 3)).toEqual(['login-needed:none', 'login-needed:none', 'cross_origin'])
    // A cookie beside it speaks for nobody.
    const bob = await scene.bearer('bob')
    expect(await ask({ bearer: bob, headers: { Cookie } })).toBe('403 forbidden')
    using _ = await scene.open(bearer, { headers: { Cookie } })
  })

  test('what is asked is read strictly', async () => {
    await using scene = await tunnelScene()
    const bearer = await scene.bearer('alice')
    const base = `${scene.world.origin}${paths.tunnel}`
    const of = async (url: string, asked: TunnelAsked = {}) =>
      shown(await scene.refused({ bearer, url: base + url, ...asked }))
    for (const query of [
      ...['', '?workspace=nb', '?workspace=team/nb/x', '?workspace=team/NB', '?workspace=team/nb&workspace=team/nb'],
      ...[
        '&port=0',
        '&port=65536',
        '&port=022',
        '&port=ssh',
        '&host=10.0.0.1',
        '&type=web-ui',
        '&type=x',
        '&type=port-forward',
      ].map((more) => `?workspace=team/nb${more}`),
    ])
      expect([query, await of(query)]).toEqual([query, '400 bad_request'])
    expect(await of('?workspace=team/nb', { protocols: ['another'] })).toBe('400 bad_request')
    const plain = await plainRequest(`${base}?workspace=team/nb`, { headers: { Authorization: `Bearer ${bearer}` } })
    expect([plain.status, JSON.parse(plain.body).code]).toEqual([426, 'tunnel_upgrade'])
    expect(scene.app.accepted()).toBe(0)
  })

  test('nobody learns of a workspace that is not his, and shares are for what they say', async () => {
    await using scene = await tunnelScene({ authorshipOf: () => 'ManifestGranted' })
    const bob = await scene.bearer('bob')
    const ask = async (query = {}) => {
      const answer = await scene.ask({ bearer: bob, query })
      if (answer.kind === 'refused') return shown(answer)
      answer.ws.terminate()
      return 'open'
    }
    expect(await ask()).toBe('403 forbidden')
    expect(await ask({ workspace: 'team/none' })).toBe('403 forbidden')
    await shareFor(scene, 'web', { connectionTypes: ['web-ui'] })
    expect(await ask()).toBe('403 forbidden')
    expect(await ask({ type: 'port-forward', port: '9000' })).toBe('403 forbidden')
    await shareFor(scene, 'app', { ports: ['app'], connectionTypes: ['port-forward'] })
    expect(await ask({ type: 'port-forward', port: '9000' })).toBe('open')
    expect(await ask({ type: 'port-forward', port: '8888' })).toBe('403 forbidden')
    expect(await ask()).toBe('403 forbidden')
    await shareFor(scene, 'ide', { connectionTypes: ['vscode-remote'] })
    expect(await ask()).toBe('403 forbidden')
    expect(await ask({ type: 'vscode-remote' })).toBe('open')
  })

  test('a tunnel leads to the port of SSH, or to one that is declared and is not that one', async () => {
    await using scene = await tunnelScene()
    const bearer = await scene.bearer('alice')
    const ask = async (query: Record<string, string>) => {
      const answer = await scene.ask({ bearer, query })
      if (answer.kind === 'refused') return shown(answer)
      answer.ws.terminate()
      return 'open'
    }
    expect(await ask({ port: '2222' })).toBe('open')
    expect(await ask({ port: '9000' })).toBe('404 not_found')
    expect(await ask({ type: 'port-forward', port: '9000' })).toBe('open')
    expect(await ask({ type: 'port-forward', port: '2222' })).toBe('404 not_found')
    expect(await ask({ type: 'port-forward', port: '9001' })).toBe('404 not_found')
  })

  test('SSH without an agent is somebody’s choice', async () => {
    await using scene = await tunnelScene({ insecureDirectSsh: false })
    const bearer = await scene.bearer('alice')
    expect(shown(await scene.refused({ bearer }))).toBe('424 agent_needed')
    expect(shown(await scene.refused({ bearer, query: { type: 'port-forward', port: '2222' } }))).toBe('404 not_found')
    using _ = await scene.open(bearer, { query: { type: 'port-forward', port: '9000' } })
  })

  test('kinds that settings do not name are not offered, and small workspaces are no place for an IDE', async () => {
    const bounds = {
      port: undefined,
      maxPerWorkspace: undefined,
      maxPerUser: undefined,
      idle: undefined,
      max: undefined,
    }
    const connections = [{ ...bounds, pattern: '*-remote', minMemory: undefined }]
    const settings = (of: Settings): Settings => ({ ...of, connections })
    await using scene = await tunnelScene({ settings, spec: { resources: { limits: { memory: '4Gi' } } } })
    const bearer = await scene.bearer('alice')
    const forward = await scene.refused({ bearer, query: { type: 'port-forward', port: '9000' } })
    expect(shown(forward)).toBe('400 connection_type_not_configured')
    const ide = await scene.refused({ bearer, query: { type: 'vscode-remote' } })
    expect(shown(ide)).toBe('424 memory_too_small')
    expect(ide.problem.detail).toBe('It has 4 GiB; vscode-remote needs 8 GiB.')
    using _ = await scene.open(bearer)
  })

  test('a workspace that is stopped is not started, and nobody at its port is not the same', async () => {
    await using scene = await tunnelScene()
    const bearer = await scene.bearer('alice')
    await scene.app[Symbol.asyncDispose]()
    const nobody = await scene.refused({ bearer })
    expect([shown(nobody), nobody.headers['retry-after'] !== undefined]).toEqual(['424 nothing_listens', true])
    await stop(scene)
    const stopped = await scene.refused({ bearer })
    expect([shown(stopped), stopped.headers['retry-after']]).toEqual(['424 workspace_stopped', '30'])
    expect(stopped.headers['content-type']).toBe('application/problem+json')
    expect(scene.world.runtime.started).toEqual(['team/nb'])
  })

  test('a port that a running workspace would have to declare first is not waited for', async () => {
    await using scene = await tunnelScene()
    await scene.world.workspace({ name: 'web', owner: 'alice' })
    const bearer = await scene.bearer('alice')
    const answer = await scene.refused({ bearer, query: { workspace: 'team/web' } })
    expect([shown(answer), answer.headers['retry-after']]).toEqual(['424 nothing_listens', undefined])
    expect(answer.problem.detail).toContain('declare port 2222')
  })

  test('two tunnels lead to one run of the workspace, or the second one is refused', async () => {
    await using scene = await tunnelScene()
    const bearer = await scene.bearer('alice')
    using one = await scene.open(bearer)
    using other = await scene.open(bearer, { query: { instance: one.instance } })
    expect(other.instance).toBe(one.instance)
    expect(shown(await scene.refused({ bearer, query: { instance: 'another' } }))).toBe('409 instance_changed')
  })
})

async function stop({ world, ref }: TunnelScene): Promise<void> {
  const { workspaceKind } = await import('#workspace/workspace.ts')
  await world.resources.patchSpec(workspaceKind, ref, { desiredStatus: 'Stopped' })
  await world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === 'Stopped', 'it is stopped')
}
