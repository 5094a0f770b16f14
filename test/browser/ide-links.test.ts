import type { Browser, BrowserContextOptions } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { idePath } from '#surface/urls.ts'
import { launchChromium, logIn, takePicture } from '#test/support/chromium.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { faultsOf, watchPolicy } from './page-checks.ts'

const widths = { narrow: { width: 400, height: 800 }, wide: { width: 1280, height: 900 } }
const large = { displayName: 'Large', resources: { limits: { memory: '8Gi' } } }
const small = { displayName: 'Small', resources: { limits: { memory: '2Gi' } } }

describeWith('browser', 'desktop IDEs, from the console in a real Chromium', (program) => {
  let world: World
  let chromium: Browser

  beforeAll(async () => {
    world = await createWorld({
      settings: (settings) => ({
        ...settings,
        ssh: { deployment: 'prod', user: 'workspace' },
        insecure: [...settings.insecure, 'insecureDirectSsh'],
      }),
    })
    for (const [name, spec] of Object.entries({ large, small, stopped: { ...large, desiredStatus: 'Stopped' } }))
      await world.workspace({ namespace: 'alice', owner: 'alice', name, spec })
    chromium = await launchChromium(program)
  })

  afterAll(async () => {
    await chromium?.close()
    await world?.[Symbol.asyncDispose]()
  })

  async function console(options: BrowserContextOptions) {
    const context = await chromium.newContext(options)
    const violations = options.javaScriptEnabled === false ? [] : await watchPolicy(context)
    const page = await context.newPage()
    await page.goto(`${world.origin}/`)
    await logIn(page, 'alice', world.identityProvider.password)
    await page.getByRole('heading', { name: 'Workspaces' }).waitFor()
    return { page, violations }
  }

  const inVsCode = (path: string) =>
    `vscode://vscode-remote/ssh-remote+large.alice.prod.gatehouse${path}?windowId=_blank`

  test.each([
    ['narrow', 'light'],
    ['narrow', 'dark'],
    ['wide', 'light'],
    ['wide', 'dark'],
  ] as const)('a dialog has the links, and a folder of one’s own in them; %s and %s', async (width, colorScheme) => {
    const { page, violations } = await console({ viewport: widths[width], colorScheme })
    const name = 'Open Large in a desktop IDE'
    await page.getByRole('link', { name }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name })
    const vsCode = dialog.getByRole('link', { name: 'VS Code', exact: true })
    expect(await vsCode.getAttribute('href')).toBe(inVsCode('/home/workspace'))
    expect(await dialog.getByRole('link').count()).toBe(7)
    await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe('VS Code')
    expect(await faultsOf(page)).toEqual([])
    await takePicture(page, `ide-dialog-${width}-${colorScheme}`)
    await dialog.getByLabel('Folder').fill('/data/a b')
    await page.keyboard.press('Enter')
    await expect.poll(() => vsCode.getAttribute('href')).toBe(inVsCode('/data/a%20b'))
    await dialog.getByLabel('Folder').fill('/../b')
    await page.keyboard.press('Enter')
    await dialog.getByRole('alert').waitFor()
    expect(await vsCode.getAttribute('href')).toBe(inVsCode('/home/workspace'))
    // What the system hands on is nothing that this page would leave for.
    await vsCode.click()
    await page.keyboard.press('Escape')
    expect(await page.evaluate(`document.activeElement.getAttribute('aria-label')`)).toBe(name)
    for (const of of ['large', 'small', 'stopped']) {
      await page.goto(world.origin + idePath({ namespace: 'alice', name: of }))
      expect([of, await faultsOf(page)]).toEqual([of, []])
      await takePicture(page, `ide-${of}-${width}-${colorScheme}`)
    }
    expect(violations).toEqual([])
  })

  test('without a script the same links are on a page of their own, with the folder that is asked for', async () => {
    const { page } = await console({ javaScriptEnabled: false })
    await page.getByRole('link', { name: 'Open Large in a desktop IDE' }).click()
    await page.getByRole('heading', { name: 'Open Large in a desktop IDE' }).waitFor()
    const vsCode = page.getByRole('link', { name: 'VS Code', exact: true })
    expect(await vsCode.getAttribute('href')).toBe(inVsCode('/home/workspace'))
    await page.getByLabel('Folder').fill('/data')
    await page.getByRole('button', { name: 'Use it' }).click()
    await expect.poll(() => vsCode.getAttribute('href')).toBe(inVsCode('/data'))
  })
})
