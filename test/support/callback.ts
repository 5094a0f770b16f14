/** The moment between the issuer's answer and ours: a browser that is about to come back, and hasn't yet. */
import { paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from './browser-session.ts'
import type { World } from './world.ts'

/** Asks for `from`, logs in at the provider where it asks, and stops at its answer: the URL of the callback, unused. */
export async function callbackOf(
  world: World,
  browser: ScriptedBrowser,
  username: string,
  from = `${world.origin}/`,
): Promise<URL> {
  await browser.navigate(from)
  for (let hops = 0; hops < 10; hops += 1) {
    const { redirect, forms } = browser.page
    if (redirect?.pathname === paths.callback) return redirect
    if (redirect) await browser.navigate(redirect, { from: browser.page })
    else if (forms[0]?.fields.has('password'))
      await browser.submitOnly({ username, password: world.identityProvider.password })
    else break
  }
  throw new Error(`it came to no callback, but to ${browser.page.url} (status ${browser.page.status})`)
}

/** The callback with something else in its query; `undefined` takes a parameter out. */
export function changed(callback: URL, change: Readonly<Record<string, string | undefined>>): URL {
  const url = new URL(callback)
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined) url.searchParams.delete(name)
    else url.searchParams.set(name, value)
  }
  return url
}
