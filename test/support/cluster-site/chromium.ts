/** Chromium as people of a site have it: finds its names, and trusts what its authority has issued. */
import type { Browser, Page } from 'playwright-core'
import { launchChromium, logIn, watchSockets } from '../chromium.ts'
import type { ClusterSite } from './site.ts'

export interface SiteChromium extends AsyncDisposable {
  /** The first page of a browser of somebody's own, who is nobody yet; it notes its sockets. */
  newcomer(): Promise<Page>
  /** On the console, logged in. */
  person(username: string): Promise<Page>
}

export async function openSiteChromium(program: string, site: ClusterSite): Promise<SiteChromium> {
  const { hostname } = new URL(site.origin)
  const issuer = `idp.${site.namespace}.svc`
  const rules = [hostname, `*.${hostname}`, issuer].map((name) => `MAP ${name} ${site.addressOf(name)}`)
  const chromium: Browser = await launchChromium(program, [
    `--host-resolver-rules=${rules.join(', ')}`,
    `--ignore-certificate-errors-spki-list=${site.ca.spki}`,
  ])
  const newcomer = async () => {
    const context = await chromium.newContext({ viewport: { width: 1280, height: 800 } })
    await watchSockets(context)
    return context.newPage()
  }
  return {
    newcomer,
    async person(username) {
      const page = await newcomer()
      await page.goto(`${site.origin}/`)
      await logIn(page, username, site.password)
      await page.getByRole('heading', { name: 'Workspaces' }).waitFor()
      return page
    },
    [Symbol.asyncDispose]: () => chromium.close(),
  }
}
