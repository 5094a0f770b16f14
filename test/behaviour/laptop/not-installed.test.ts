import { expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import { startDemo } from '#test/support/demo-process.ts'
import { askApi, createLaptopSite, editor, eventually, stateOf } from '#test/support/laptop-site.ts'

test('the editor on a machine without code-server says that it is not installed and what to do; all else works', async () => {
  await using site = await createLaptopSite({ samples: ['alice-editor'] })
  await using demo = await startDemo(site, { hasCodeServer: false })
  const files = { namespace: 'alice', name: 'files' }
  await site.declare(files, { spec: { desiredStatus: 'Running' } })
  const alice = await site.as('alice')
  expect((await askApi(site, alice, 'POST', api.start(editor))).status).toBe(202)
  await eventually(async () => (await stateOf(site, alice, editor)) === 'Degraded', 'it says what is wrong')
  const view = JSON.parse((await askApi(site, alice, 'GET', api.workspace(editor))).body)
  expect(view).toMatchObject({ reason: 'NotInstalled', message: expect.stringContaining('Install it (https://') })
  const page = await alice.open(site.url(editor))
  expect([page.status, page.url.pathname]).toEqual([200, '/.gatehouse/open/alice/editor'])
  expect(page.body).toContain('Code Editor needs code-server, which is not on the PATH of Gatehouse.')
  const list = (await alice.open(`${site.origin}/`)).body
  expect(list).toContain('Code Editor needs code-server')
  for (const body of [page.body, list]) expect(body).toContain('<span class="badge Missing">Not installed</span>')
  await eventually(async () => (await stateOf(site, alice, files)) === 'Running', 'another workspace runs')
  expect(demo.printed()).not.toMatch(/error/i)
})
