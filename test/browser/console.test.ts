import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { activityPath, loginPath, openPath, paths, sharePath } from '#surface/urls.ts'
import { launchChromium, logIn, takePicture } from '#test/support/chromium.ts'
import { echoApp } from '#test/support/echo-app.ts'
import { leapingClock } from '#test/support/leaping-clock.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { templateKind } from '#workspace/template.ts'
import { faultsOf, tabTo, watchPolicy } from './page-checks.ts'

/** A telephone held upright. */
const narrow = { width: 400, height: 800 }

const ref = (name: string) => ({ namespace: 'alice', name })
const longName = 'a-name-that-is-as-long-as-one-may-be-and-has-no-place-to-break'

/** One of each state that the console can show. */
async function furnish(world: World, apps: AsyncDisposableStack): Promise<void> {
  const own = { namespace: 'alice', owner: 'alice' }
  const ports = [
    { name: 'editor', port: 8888, label: 'An editor with a rather long name' },
    { name: 'app', port: 8501, label: 'App' },
  ]
  const both = { 8888: apps.use(await echoApp('first')), 8501: apps.use(await echoApp('second')) }
  await world.workspace({ ...own, name: 'running', spec: { displayName: 'Running', ports }, apps: both })
  await world.workspace({ ...own, name: 'stopped', spec: { displayName: 'Notebook', desiredStatus: 'Stopped' } })
  await world.workspace({ ...own, name: longName })
  await world.workspace({ ...own, name: 'broken' })
  await world.workspace({ ...own, name: 'starting' })
  await world.workspace({ name: 'shared', owner: 'carol', spec: { displayName: 'Of carol', accessType: 'Public' } })
  const step = { at: Date.now(), reason: 'ProcessExited', message: 'It ended with code 1.' }
  const steps = [{ ...step, kind: 'normal' } as const, { ...step, kind: 'warning' } as const]
  world.runtime.tell(ref('broken'), {
    phase: 'failed',
    reason: 'CrashLoop',
    message: 'It ends again and again.',
    steps,
  })
  world.runtime.tell(ref('starting'), {
    phase: 'starting',
    reason: 'PullingImage',
    message: 'Pulling an image.',
    steps,
  })
  const stateOf = (name: string) => world.open.workspaces.directory.get(ref(name))?.state.phase
  await world.until(() => stateOf('broken') === 'Degraded' && stateOf('starting') === 'Starting', 'all are as they are')
}

describeWith('browser', 'in a real Chromium', (program) => {
  let world: World
  let chromium: Browser
  const apps = new AsyncDisposableStack()

  beforeAll(async () => {
    world = await createWorld()
    await furnish(world, apps)
    chromium = await launchChromium(program)
  })

  afterAll(async () => {
    await chromium.close()
    await world[Symbol.asyncDispose]()
    await apps.disposeAsync()
  })

  async function newPage(options: BrowserContextOptions) {
    const context = await chromium.newContext({ viewport: narrow, ...options })
    const violations = await watchPolicy(context)
    return { page: await context.newPage(), violations }
  }

  test.each(['light', 'dark'] as const)(
    'every page of its own is readable in %s colours at 400 px, has names for everything, and keeps to its policy',
    async (colorScheme) => {
      const { page, violations } = await newPage({ colorScheme })
      await page.goto(`${world.origin}/`)
      expect(await faultsOf(page)).toEqual([])
      await logIn(page, 'alice', world.identityProvider.password)
      await page.getByRole('heading', { name: 'Workspaces' }).waitFor()
      const visit = async (path: string, look: (page: Page) => Promise<void> = async () => undefined) => {
        await page.goto(world.origin + path)
        await look(page)
        expect([path, await faultsOf(page)]).toEqual([path, []])
      }
      await visit('/')
      await takePicture(page, `console-${colorScheme}`)
      await visit('/', (it) => it.locator('summary').first().click())
      await visit('/', async (it) => {
        await it.getByRole('link', { name: 'Share Running' }).click()
        await it.getByRole('dialog', { name: 'Share Running' }).getByLabel('People').waitFor()
      })
      await visit('/', async (it) => {
        await it.getByRole('button', { name: 'Stop Running' }).click()
        await it.getByRole('button', { name: 'Keep it running' }).waitFor()
      })
      for (const name of ['stopped', 'starting', 'broken']) await visit(openPath(ref(name)))
      await takePicture(page, `broken-${colorScheme}`)
      await visit(sharePath(ref('stopped')), async (it) => {
        await it.getByRole('button', { name: 'Share', exact: true }).click()
        await it.getByRole('alert').filter({ hasText: /./ }).waitFor()
      })
      await visit(`${sharePath(ref('running'))}?user=bob`)
      await visit(paths.whoami)
      await visit(paths.logout)
      await visit(paths.loggedOut)
      await visit(loginPath({ to: '/' }).replace('/login', '/no-such-page'))
      await visit(openPath({ namespace: 'bob', name: 'none' }))
      await page.goto(world.url({ namespace: 'bob', name: 'none' }))
      expect(await faultsOf(page)).toEqual([])
      expect(violations).toEqual([])
    },
    60_000,
  )

  test('a workspace is started, opened and shared by keyboard alone, and the focus is always seen', async () => {
    const { page, violations } = await newPage({})
    const press = (key: string) => page.keyboard.press(key)
    await page.goto(`${world.origin}/`)
    await page.locator('#username:focus').waitFor()
    await page.keyboard.type('alice')
    await press('Tab')
    await page.keyboard.type(world.identityProvider.password)
    await press('Enter')
    await page.getByRole('heading', { name: 'Workspaces' }).waitFor()
    await tabTo(page, 'Skip to the content')
    await press('Enter')
    await tabTo(page, 'Share Notebook')
    await press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Share Notebook' })
    await dialog.getByLabel('People').waitFor()
    await page.keyboard.type('bob')
    await press('Enter')
    await dialog.getByText('In force').waitFor()
    await press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    expect(await page.evaluate(`document.activeElement.getAttribute('aria-label')`)).toBe('Share Notebook')
    await page.goto(`${world.origin}/`)
    await tabTo(page, 'Start Notebook')
    await press('Enter')
    await page.getByRole('link', { name: 'Open: Notebook' }).waitFor()
    expect(await page.evaluate(`document.activeElement.getAttribute('aria-label')`)).toBe('Open: Notebook')
    await press('Enter')
    await page.waitForURL(world.url(ref('stopped')))
    expect(await page.locator('body').innerText()).toContain('alice/stopped')

    await page.goto(`${world.origin}/`)
    await press('/')
    await page.keyboard.type('carol')
    await expect.poll(() => page.getByRole('heading', { level: 3 }).filter({ visible: true }).count()).toBe(1)
    await press('Enter')
    expect(await page.evaluate(`document.activeElement.textContent`)).toBe('Of carol')
    expect(violations).toEqual([])
  }, 60_000)

  test('a workspace that stops soon says so, and why in a dialog with the evidence; kept with one click, by the keyboard alone', async () => {
    const spec = {
      idleShutdown: { enabled: true, idleTimeoutInMinutes: 30 },
      templateRef: 'brief',
      displayName: 'Brief',
    }
    const metadata = { namespace: 'alice', name: 'brief' }
    await world.resources.create(templateKind, { metadata, spec: { idleShutdownRules: { maxLifetimeInMinutes: 4 } } })
    await world.workspace({ namespace: 'alice', owner: 'alice', name: 'brief', spec })
    const { page, violations } = await newPage({ colorScheme: 'light' })
    await page.goto(`${world.origin}/`)
    await logIn(page, 'alice', world.identityProvider.password)
    const item = page.locator('[data-key="alice/brief"]')
    await item.getByText('because it may run for no longer').waitFor()
    expect(await faultsOf(page)).toEqual([])
    await takePicture(page, 'console-ending')
    await item.getByRole('link', { name: 'Activity of Brief' }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Activity of Brief' })
    await dialog.getByText('Last active at').waitFor()
    await dialog.getByText('It runs for 4 minutes at most.').waitFor()
    expect(await faultsOf(page)).toEqual([])
    await takePicture(page, 'activity-dialog')
    await dialog.getByRole('button', { name: 'Keep it for an hour' }).focus()
    await page.keyboard.press('Enter')
    await dialog.getByText('Kept until').waitFor()
    expect(await page.evaluate(`document.activeElement.hasAttribute('data-focus')`)).toBe(true)
    await page.keyboard.press('Escape')
    expect(await page.evaluate(`document.activeElement.getAttribute('aria-label')`)).toBe('Activity of Brief')
    await page.goto(world.origin + activityPath(ref('brief')))
    await page.getByText('Kept until').waitFor()
    expect(await faultsOf(page)).toEqual([])
    await takePicture(page, 'activity-page')
    expect(violations).toEqual([])
  })

  test('one that stops soon since nobody works in it says so in the console, and on the page that waits for a part of it; kept there with one click, it says so no more', async () => {
    const clock = leapingClock(systemClock)
    await using later = await createWorld({ clock })
    await using main = await echoApp('editor')
    const part = await echoApp('app')
    // Nobody listens there any more.
    await part[Symbol.asyncDispose]()
    const ports = [
      { name: 'editor', port: 8888 },
      { name: 'app', port: 8501, label: 'App' },
    ]
    const both = { 8888: main, 8501: part }
    const idleShutdown = { enabled: true, idleTimeoutInMinutes: 30 }
    const spec = { displayName: 'Quiet', ports, idleShutdown }
    await later.workspace({ namespace: 'alice', owner: 'alice', name: 'quiet', spec, apps: both })
    const { page, violations } = await newPage({ colorScheme: 'light' })
    await page.goto(`${later.origin}/`)
    await logIn(page, 'alice', later.identityProvider.password)
    const item = page.locator('[data-key="alice/quiet"]')
    const warning = page.getByText('unless somebody works in it or something runs')
    const keep = page.getByRole('button', { name: 'Keep quiet for an hour' })
    await item.waitFor()
    expect([await item.getAttribute('data-said'), await warning.count()]).toEqual(['Running', 0])
    // Else it has begun by the date that is moved.
    await page.goto(later.origin + activityPath(ref('quiet')))
    await expect
      .poll(async () => {
        await page.reload()
        return page.getByText('Started', { exact: true }).count()
      })
      .toBe(1)
    clock.leap(26 * 60_000)
    await expect
      .poll(async () => {
        await page.goto(`${later.origin}/`)
        return item.getAttribute('data-said')
      })
      .toBe('Running, but stops soon')
    expect([await warning.count(), await keep.count()]).toEqual([1, 1])
    await page.goto(later.url(ref('quiet'), 8501))
    await page.getByText('waiting for App to answer').waitFor()
    await warning.waitFor()
    expect(await faultsOf(page)).toEqual([])
    await keep.click()
    await warning.waitFor({ state: 'detached' })
    await page.goto(`${later.origin}/`)
    await item.waitFor()
    expect([await item.getAttribute('data-said'), await warning.count()]).toEqual(['Running', 0])
    expect(violations).toEqual([])
  })
})
