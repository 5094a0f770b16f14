import { expect, test } from 'vitest'
import { processesWith } from '#runtime/processes/process-table.ts'
import { api } from '#surface/urls.ts'
import { startDemo } from '#test/support/demo-process.ts'
import {
  askApi,
  createLaptopSite,
  eventually,
  type LaptopSite,
  startWorkspace,
  stateOf,
} from '#test/support/laptop-site.ts'

const files = { namespace: 'alice', name: 'files' }

/** What runs in the workspace's folder, whoever started it and whatever group it is in. */
function runningIn(site: LaptopSite): readonly number[] {
  return processesWith('HOME', site.folderOf(files)).map(({ pid }) => pid)
}

test('Ctrl-C ends every process that was started', async () => {
  await using site = await createLaptopSite({ samples: [] })
  await site.declare(files)
  await using demo = await startDemo(site)
  await startWorkspace(site, await site.as('alice'), files)
  expect(runningIn(site).length).toBe(3)
  demo.kill('SIGINT')
  expect(await demo.ended).toBe(0)
  expect(demo.printed()).toContain('Stopping')
  expect(runningIn(site)).toEqual([])
})

test('after a kill -9 the next start keeps sessions and shares, and ends what the last one left running', async () => {
  await using site = await createLaptopSite({ samples: [] })
  await site.declare(files)
  const [alice, bob] = [site.browser(), site.browser()]
  let left: readonly number[] = []
  {
    await using demo = await startDemo(site)
    for (const [browser, name] of [
      [alice, 'alice'],
      [bob, 'bob'],
    ] as const) {
      await browser.open(`${site.origin}/`)
      await browser.login(name, site.password)
    }
    await startWorkspace(site, alice, files)
    const grantees = [{ kind: 'User', name: 'bob' }]
    expect((await askApi(site, alice, 'POST', api.shares(files), { grantees })).status).toBe(201)
    expect((await bob.open(site.url(files))).status).toBe(200)
    left = runningIn(site)
    expect(left.length).toBe(3)
    demo.kill('SIGKILL')
    await demo.ended
    expect(runningIn(site)).toEqual(left)
  }

  await using _again = await startDemo(site)
  expect(runningIn(site).filter((pid) => left.includes(pid))).toEqual([])
  // It was to run, and nobody has said otherwise.
  await eventually(async () => (await stateOf(site, alice, files)) === 'Running', 'it runs again', 30_000)
  for (const browser of [alice, bob]) {
    const page = await browser.open(site.url(files))
    expect([page.status, page.body]).toEqual([200, expect.stringContaining('Directory listing')])
    expect(browser.history.map(({ hostname }) => hostname)).not.toContain('idp.localhost')
  }
  const { shares } = JSON.parse((await askApi(site, alice, 'GET', api.shares(files))).body)
  expect(shares).toMatchObject([{ grantees: [{ kind: 'User', name: 'bob' }], status: { accepted: true } }])
}, 60_000)
