/** The pages between a person and the console: where to log in, the form of the provider, its refusals, and the question of a command line. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loginPath } from '#surface/urls.ts'
import { launchChromium, logIn, takePicture } from '#test/support/chromium.ts'
import { commandLine } from '#test/support/command-line-login.ts'
import { freePort } from '#test/support/free-port.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { faultsOf, focusOrder, watchPolicy } from './page-checks.ts'

/** A telephone held upright. */
const narrow = { width: 400, height: 800 }
const schemes = ['light', 'dark'] as const

/** Two issuers, of which the second does not answer. */
async function twoIssuers(): Promise<World> {
  const nobody = await freePort()
  return createWorld({
    settings(settings) {
      const [first] = settings.oidc
      if (!first) throw new Error('no issuer')
      const own = { ...first, displayName: 'The laptop', usernamePrefix: 'laptop:', groupsPrefix: 'laptop:' }
      const away = {
        ...first,
        id: 'company',
        displayName: 'A company with a rather long name',
        issuer: `http://idp.localhost:${nobody}`,
        usernamePrefix: 'company:',
        groupsPrefix: 'company:',
      }
      return { ...settings, oidc: [own, away] }
    },
  })
}

describeWith('browser', 'in a real Chromium at 400 px', (program) => {
  let world: World
  let chromium: Browser

  beforeAll(async () => {
    world = await twoIssuers()
    chromium = await launchChromium(program)
  })

  afterAll(async () => {
    await chromium.close()
    await world[Symbol.asyncDispose]()
  })

  async function newPage(options: BrowserContextOptions) {
    const context = await chromium.newContext({ viewport: narrow, ...options })
    const violations = await watchPolicy(context)
    return { page: await context.newPage(), violations }
  }

  /** At the form of the provider that answers. */
  async function openForm(page: Page): Promise<void> {
    await page.goto(`${world.origin}/`)
    await page.getByRole('link', { name: 'The laptop' }).click()
    await page.getByRole('heading', { name: 'Log in to Gatehouse' }).waitFor()
  }

  test.each(schemes)(
    'the choice between two issuers, and the page of one that is away, in %s colours',
    async (colorScheme) => {
      const { page, violations } = await newPage({ colorScheme })
      await page.goto(`${world.origin}/`)
      await page.getByRole('heading', { name: 'Log in' }).waitFor()
      expect(await faultsOf(page)).toEqual([])
      await takePicture(page, `choose-issuer-${colorScheme}`)
      const company = 'A company with a rather long name'
      expect(await focusOrder(page)).toEqual(['Skip to the content', 'Gatehouse', 'The laptop', company])

      const answer = page.waitForResponse((response) => response.status() === 503)
      await page.getByRole('link', { name: company }).click()
      expect((await answer).headers()['retry-after']).toBe('5')
      await page.getByRole('heading', { name: 'The login service does not answer' }).waitFor()
      expect(await faultsOf(page)).toEqual([])
      await takePicture(page, `issuer-away-${colorScheme}`)
      expect(await focusOrder(page)).toEqual(['Skip to the content', 'Gatehouse', 'Try now'])
      expect(violations).toEqual([])
    },
  )

  test('the page of an issuer that is away tries again by itself, for the same place', async () => {
    const { page } = await newPage({})
    const from = `${world.origin}${loginPath({ issuer: 'company', to: '/?q=1' })}`
    await page.goto(from)
    const again = await page.waitForResponse((response) => response.url() === from, { timeout: 15_000 })
    expect(again.status()).toBe(503)
  })

  test.each(schemes)(
    "the provider's form says for whom it asks, and what is wrong with a try, in %s colours",
    async (colorScheme) => {
      const { page, violations } = await newPage({ colorScheme })
      await openForm(page)
      expect(await faultsOf(page)).toEqual([])
      await takePicture(page, `provider-login-${colorScheme}`)
      expect(await page.evaluate('document.activeElement.id')).toBe('username')
      expect(await focusOrder(page)).toEqual(['Password', 'Log in'])

      await logIn(page, 'alice', 'a wrong one')
      const alert = page.getByRole('alert')
      await alert.filter({ hasText: 'The user name or the password is wrong.' }).waitFor()
      expect(await page.getByLabel('User name').inputValue()).toBe('alice')
      expect(await page.evaluate('document.activeElement.id')).toBe('password')
      expect(await page.getByLabel('Password').getAttribute('aria-describedby')).toBe(await alert.getAttribute('id'))
      expect(await faultsOf(page)).toEqual([])
      await takePicture(page, `provider-wrong-password-${colorScheme}`)

      const statuses: number[] = []
      // More than ten: with time, tries come back.
      for (let tries = 0; tries < 20 && !statuses.includes(429); tries++) {
        const answer = page.waitForResponse((response) => response.request().method() === 'POST')
        await logIn(page, 'dave', 'a wrong one')
        statuses.push((await answer).status())
      }
      await alert
        .filter({ hasText: /^Too many wrong passwords for this name\. Try again in (\d+ seconds|a second)\.$/ })
        .waitFor()
      expect(await faultsOf(page)).toEqual([])
      await takePicture(page, `provider-throttled-${colorScheme}`)

      await logIn(page, 'alice', world.identityProvider.password)
      await page.getByRole('heading', { name: 'Workspaces' }).waitFor()
      await page.goto(`${world.identityProvider.issuer}/logout`)
      await page.getByRole('button', { name: 'Log out' }).waitFor()
      expect(await faultsOf(page)).toEqual([])
      await takePicture(page, `provider-logout-${colorScheme}`)
      await page.getByRole('button', { name: 'Log out' }).click()
      await page.getByRole('heading', { name: 'Logged out' }).waitFor()
      expect(await faultsOf(page)).toEqual([])
      expect(violations).toEqual([])
    },
    60_000,
  )

  test.each(schemes)('the question of a command line, in %s colours', async (colorScheme) => {
    await using waiting = await commandLine(world, 'the-laptop-with-a-long-name-in-the-attic.example.test')
    const { page, violations } = await newPage({ colorScheme })
    await openForm(page)
    await logIn(page, 'alice', world.identityProvider.password)
    await page.getByRole('heading', { name: 'Workspaces' }).waitFor()
    await page.goto(waiting.url)
    await page.getByRole('button', { name: 'Log it in' }).waitFor()
    expect(await faultsOf(page)).toEqual([])
    await takePicture(page, `command-line-${colorScheme}`)
    const order = await focusOrder(page)
    expect(order.slice(0, 2)).toEqual(['Skip to the content', 'Gatehouse'])
    expect(order.slice(-2)).toEqual(['Log it in', 'No'])
    await page.getByRole('button', { name: 'Log it in' }).click()
    await page.getByText('You may close this window.').waitFor()
    expect(waiting.answers.map((answer) => answer.get('code'))).toContainEqual(expect.any(String))
    expect(violations).toEqual([])
  })
})
