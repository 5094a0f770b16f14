import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '#test/support/real-parts.ts'
import { checkTools, expectNothingCanBeDone, groundOf, victimOf } from './attack.ts'
import { dropSameSite, keeper, openScene, serveElsewhere } from './isolation-scene.ts'

describeWith('openssl', 'with certificates of a test authority', () => {
  describeWith('browser', 'in a real Chromium on an HTTPS domain', (program) => {
    test('#80 [JK22.2] a page of one workspace can neither read nor change another one, the console or the API as its visitor, whatever SameSite says', async () => {
      await using scene = await openScene(program)
      const { world } = scene
      const evil = await keeper('evil')
      const spec = { accessType: 'Public' }
      const lair = await world.workspace({
        name: 'evil',
        namespace: 'bob',
        owner: 'bob',
        spec,
        apps: { 8888: evil.app },
      })
      const page = await scene.person('alice')
      const victim = await victimOf(scene, page)
      await page.goto(lair.url)
      await checkTools(page, lair.url, evil.secret)
      await expectNothingCanBeDone(groundOf(world), page, victim)
      await dropSameSite(page.context())
      await page.goto(lair.url)
      await expectNothingCanBeDone(groundOf(world), page, victim)
    }, 90_000)

    test('#80 nor can a page of another site, when its requests bring the cookies', async () => {
      await using scene = await openScene(program, { isLax: true })
      await using elsewhere = await serveElsewhere(scene)
      const page = await scene.person('alice')
      const victim = await victimOf(scene, page)
      await dropSameSite(page.context())
      await page.goto(elsewhere.url)
      await expectNothingCanBeDone(groundOf(scene.world), page, victim)
    }, 60_000)

    test('#80 [JK22.3] in path mode it can reach neither the console nor the API; the README says what workspaces can do to each other there', async () => {
      await using scene = await openScene(program, { mode: 'path' })
      const { world } = scene
      const evil = await keeper('evil')
      const spec = { accessType: 'Public' }
      const lair = await world.workspace({
        name: 'evil',
        namespace: 'bob',
        owner: 'bob',
        spec,
        apps: { 8888: evil.app },
      })
      const page = await scene.person('alice')
      const { ref } = await victimOf(scene, page)
      const consoleOnly = { keepers: [], urls: [], ref }
      await page.goto(lair.url)
      await checkTools(page, lair.url, evil.secret)
      await expectNothingCanBeDone(groundOf(world), page, consoleOnly)
      await dropSameSite(page.context())
      await page.goto(lair.url)
      await expectNothingCanBeDone(groundOf(world), page, consoleOnly)
      const readme = await readFile(join(import.meta.dirname, '../../README.md'), 'utf8')
      expect(readme).toMatch(/Path mode cannot protect workspaces from each other\..*They share one origin/s)
    }, 60_000)
  })
})
