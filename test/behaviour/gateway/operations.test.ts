import { expect, test } from 'vitest'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { createScriptedBrowser } from '#test/support/browser-session.ts'
import { echoApp } from '#test/support/echo-app.ts'
import { eventually } from '#test/support/laptop-site.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { urlOf } from '#workspace/address.ts'
import { createdByAnnotation, workspaceKind } from '#workspace/workspace.ts'
import { type OperatedGateway, operatedGateway } from './operated-gateway.ts'
import { cookieFor } from './scene.ts'

const ref = { namespace: 'team', name: 'nb' }

/** The figures of one counter, by its labels: `route="api",outcome="answered"`. */
async function countersOf({ operations }: OperatedGateway, name: string): Promise<ReadonlyMap<string, number>> {
  const { body } = await plainRequest(`${operations}/metrics`)
  const lines = [...body.matchAll(new RegExp(`^${name}{(.*)} (\\d+)$`, 'gm'))]
  return new Map(lines.map(([, labels = '', figure]) => [labels, Number(figure)]))
}

async function runs(gateway: OperatedGateway, app: Awaited<ReturnType<typeof echoApp>>): Promise<string> {
  gateway.runtime.provide(ref, { 8888: app.endpoint })
  const created = await gateway.resources.create(workspaceKind, {
    metadata: { ...ref, annotations: { [createdByAnnotation]: 'alice' } },
    spec: workspaceKind.parseSpec({}),
  })
  const { uid } = created.metadata
  const nothing = { fingerprint: '', program: { kind: 'command', argv: [] }, ports: [], env: {} } as const
  await gateway.runtime.apply({ ref, workspaceUid: uid, ...nothing })
  await eventually(() => gateway.gateway.workspaces.directory.get(ref)?.state.phase === 'Running', 'it runs')
  return urlOf(gateway.gateway.site, ref, undefined)
}

test('[JK23.1] alive at once; ready when caches and keys are there, whatever the issuer does; counters by route, and nobody’s name among their labels', async () => {
  await using gateway = await operatedGateway()
  const { operations, origin, issuer } = gateway
  await issuer.admin.stopListening()
  const ready = async () => {
    const { status, body } = await plainRequest(`${operations}/readyz`)
    return { status, ...JSON.parse(body) }
  }
  await eventually(async () => (await plainRequest(`${operations}/healthz`)).status === 200, 'it is alive')
  expect(await ready()).toEqual({
    status: 'not ready',
    missing: ['state-known', 'workspaces-known', 'keys-loaded'],
  })
  expect((await plainRequest(`${operations}/readyz`)).status).toBe(503)
  await expect(plainRequest(`${origin}/`)).rejects.toThrow('ECONNREFUSED')
  gateway.isHeld[Symbol.dispose]()
  await eventually(async () => (await plainRequest(`${operations}/readyz`)).status === 200, 'it is ready')
  expect(await ready()).toEqual({ status: 'ready' })
  await eventually(async () => (await plainRequest(`${origin}/`).catch(() => undefined)) !== undefined, 'it listens')
  const browser = () => createScriptedBrowser({ lookup: localhostLookup })
  expect((await browser().open(`${origin}/`)).status).toBe(503)
  expect((await plainRequest(`${operations}/readyz`)).status).toBe(200)

  await issuer.admin.startListening()
  const isBack = async () => (await browser().open(`${origin}/`)).forms.some(({ fields }) => fields.has('password'))
  await eventually(isBack, 'the issuer is back')
  await using app = await echoApp('nb')
  const url = await runs(gateway, app)
  const visitors = new Map(['alice', 'bob'].map((name) => [name, browser()]))
  for (const [name, visitor] of visitors) {
    await visitor.open(`${origin}/`)
    await visitor.login(name, issuer.password)
    await visitor.open(url)
  }
  const before = await countersOf(gateway, 'gatehouse_requests_total')
  const [alice, bob] = ['alice', 'bob'].map((name) => visitors.get(name))
  if (!alice || !bob) throw new Error('nobody is there')
  for (let round = 0; round < 3; round++) await plainRequest(`${url}x`, { headers: cookieFor(alice, url) })
  for (let round = 0; round < 2; round++) await plainRequest(`${url}x`, { headers: cookieFor(bob, url) })
  using socket = await openSocket(alice, url)
  expect(String(await socket.ask('hello'))).toBe('hello')
  await refusedSocket(bob, url)
  await plainRequest(`${origin}/.gatehouse/api/v1/workspaces`, { headers: cookieFor(alice, origin) })
  const after = await countersOf(gateway, 'gatehouse_requests_total')
  const grown = (route: string, outcome: string) => {
    const labels = `route="${route}",outcome="${outcome}"`
    return (after.get(labels) ?? 0) - (before.get(labels) ?? 0)
  }
  expect(grown('workspace', 'forwarded')).toBe(3)
  expect(grown('workspace', 'denied')).toBe(2)
  expect(grown('upgrade', 'forwarded')).toBe(1)
  expect(grown('upgrade', 'denied')).toBe(1)
  expect(grown('api', 'answered')).toBe(1)
  const opened = await countersOf(gateway, 'gatehouse_streams_opened_total')
  expect(opened.get('kind="websocket"')).toBe(1)
  const { body, headers } = await plainRequest(`${operations}/metrics`)
  expect(headers['content-type']).toContain('text/plain')
  for (const name of ['alice', 'bob', 'team', 'demo-alice']) expect(body).not.toContain(name)
  expect(body).toMatch(/^gatehouse_workspaces{phase="Running"} 1$/m)
})
