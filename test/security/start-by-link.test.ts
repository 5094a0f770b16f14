/** A link, a picture or a form of somebody else that starts, stops or shares a workspace in its visitor's name (CVE-2026-44454, CVE-2026-40864). */
import { describe, expect, test } from 'vitest'
import { api, openPath, revokePath, sharePath } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { callApi, declare, workspaceOf } from '#test/behaviour/gateway/scene.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { shareKind } from '#workspace/share.ts'

/** How a page of another site or a sibling workspace can make a browser ask, its cookies along. */
const ways: readonly Readonly<Record<string, string>>[] = [
  {
    'Sec-Fetch-Site': 'cross-site',
    'Sec-Fetch-Mode': 'navigate',
    'Sec-Fetch-Dest': 'document',
    Origin: 'https://evil.test',
  },
  {
    'Sec-Fetch-Site': 'same-site',
    'Sec-Fetch-Mode': 'navigate',
    'Sec-Fetch-Dest': 'document',
    Origin: 'http://b.localhost',
  },
  { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image' },
  {
    'Sec-Fetch-Site': 'same-site',
    'Sec-Fetch-Mode': 'no-cors',
    'Sec-Fetch-Dest': 'empty',
    Origin: 'http://b.localhost',
  },
  { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty', Origin: 'null' },
]

/** Everything that changes a workspace or who may use it. */
function changesOf(ref: WorkspaceRef, share: string): readonly (readonly [path: string, body: string])[] {
  return [
    [api.start(ref), ''],
    [api.stop(ref), ''],
    [api.shares(ref), 'grantees=x'],
    [sharePath(ref), 'people=mallory&access=connect'],
    [revokePath(ref), `share=${share}`],
  ]
}

async function scene(world: World) {
  const { ref, url } = await declare(world, {
    owner: 'alice',
    spec: { desiredStatus: 'Stopped', accessType: 'Public' },
  })
  const alice = await world.as('alice')
  const page = await callApi(world, alice, 'POST', api.shares(ref), { grantees: [{ kind: 'User', name: 'bob' }] })
  const state = async () => ({
    desired: (await workspaceOf(world, ref)).spec.desiredStatus,
    shares: (await world.resources.list(shareKind, { namespace: ref.namespace })).items.map(
      ({ metadata }) => metadata.name,
    ),
  })
  return { ref, url, alice, share: JSON.parse(page.body).name, state }
}

function send(
  world: World,
  by: ScriptedBrowser,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
) {
  const cookie = by.cookieHeader(`${world.origin}/`) ?? ''
  const form = body === undefined ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' }
  const init = body === undefined ? {} : { method: 'POST', body }
  return plainRequest(world.origin + path, {
    ...init,
    headers: { ...headers, ...form, Accept: 'text/html', Cookie: cookie },
  })
}

describe('of a workspace that its visitor may start', () => {
  test('#55 no address starts it by being opened, wherever the link to it stands: it takes a click on its own page', async () => {
    await using world = await createWorld()
    const { ref, url, alice, share, state } = await scene(world)
    const before = await state()
    for (const from of [undefined, ...ways]) {
      for (const [path] of changesOf(ref, share)) {
        const { status } = await send(world, alice, `${path}?start=1&desiredStatus=Running&share=${share}`, from ?? {})
        expect([200, 403, 404, 405], path).toContain(status)
      }
    }
    for (const there of [
      url,
      `${url}?start=1`,
      world.origin + openPath(ref),
      `${world.origin}${openPath(ref)}?start=1`,
    ]) {
      expect((await alice.open(there)).body).toContain('It is stopped.')
    }
    expect(await state()).toEqual(before)
    expect(before).toEqual({ desired: 'Stopped', shares: [share] })
  })

  test('#53 #55 no form or script of another page starts, stops, shares or takes back in its name', async () => {
    await using world = await createWorld()
    const { ref, alice, share, state } = await scene(world)
    const before = await state()
    for (const from of [{}, ...ways]) {
      for (const [path, body] of changesOf(ref, share)) {
        expect((await send(world, alice, path, from, body)).status, `${path} ${JSON.stringify(from)}`).toBe(403)
      }
    }
    expect(await state()).toEqual(before)
    const denials = world.audit.filter(({ event }) => event === 'deny')
    expect(denials).toHaveLength((ways.length + 1) * changesOf(ref, share).length)
  })
})
