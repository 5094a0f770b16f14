import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { api, loginPath, openPath, paths, sharePath } from '#surface/urls.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { keeper, openScene, serveElsewhere } from './isolation-scene.ts'

/** What came into a frame, by its address: the browser shows a page of its own in place of what may not be framed. */
async function frame(page: Page, urls: readonly string[]): Promise<ReadonlyMap<string, string>> {
  await page.evaluate(`Promise.all(${JSON.stringify(urls)}.map((url) => new Promise((resolve) => {
    const frame = Object.assign(document.createElement('iframe'), { src: url, name: url, onload: resolve })
    document.body.append(frame)
  })))`)
  // A frame that was replaced comes from another process, whose news of it may be a moment late.
  const shown = () => {
    const frames = page.frames().filter((one) => one.parentFrame() !== null)
    return new Map(frames.map((one) => [one.name(), one.url()]))
  }
  await expect.poll(() => urls.filter((url) => !shown().get(url)), { timeout: 10_000 }).toEqual([])
  return shown()
}

const replaced = 'chrome-error://chromewebdata/'

describeWith('openssl', 'with certificates of a test authority', () => {
  describeWith('browser', 'in a real Chromium on an HTTPS domain', (program) => {
    test("[JK22.5] none of Gatehouse's own pages can be framed, by a workspace, another site or itself", async () => {
      await using scene = await openScene(program)
      await using elsewhere = await serveElsewhere(scene)
      const { world } = scene
      const spec = { accessType: 'Public' }
      const evil = await keeper('evil')
      const lair = await world.workspace({
        name: 'evil',
        namespace: 'bob',
        owner: 'bob',
        spec,
        apps: { 8888: evil.app },
      })
      const mine = await world.workspace({
        name: 'mine',
        namespace: 'alice',
        owner: 'alice',
        spec: { desiredStatus: 'Stopped' },
      })
      const closed = await world.workspace({ name: 'closed', namespace: 'bob', owner: 'bob' })
      const { ref } = mine
      const pages = [
        ...['/', paths.whoami, paths.workspaceList, paths.login, loginPath({ to: '/' }), paths.logout, paths.loggedOut],
        ...[
          paths.callback,
          paths.handover,
          paths.cliAuthorize,
          openPath(ref),
          sharePath(ref),
          api.whoami,
          api.workspaces,
        ],
        ...['/no-such-page', openPath(closed.ref)],
      ].map((path) => world.origin + path)
      const onHosts = [
        mine.url,
        closed.url,
        ...[paths.accept, paths.status, '/.gatehouse/else'].map((path) => new URL(path, lair.url).href),
      ]
      const login = world.identityProvider.issuer
      const all = [...pages, ...onHosts, login]
      const alice = await scene.person('alice')

      for (const from of [lair.url, elsewhere.url, `${world.origin}/`]) {
        await alice.goto(from)
        const shown = await frame(alice, all)
        for (const url of all) expect([from, url, shown.get(url)]).toEqual([from, url, replaced])
      }
      await alice.goto(lair.url)
      expect([...(await frame(alice, [`${lair.url}own`])).values()]).toEqual([`${lair.url}own`])
    }, 60_000)
  })
})
