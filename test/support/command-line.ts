/** A command line that somebody has logged in through a browser, as a person does it. */
import { createHash, randomBytes } from 'node:crypto'
import { paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from './browser-session.ts'
import type { World } from './world.ts'

/** The secret it sends as its bearer. `browser` is logged in at the console. */
export async function commandLineSecret(world: World, browser: ScriptedBrowser): Promise<string> {
  const tab = browser.tab()
  const verifier = randomBytes(32).toString('base64url')
  const query = new URLSearchParams({
    redirect_uri: 'http://127.0.0.1:49152/done',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    state: 'state-of-the-command-line',
    device: 'a laptop',
  })
  await tab.open(`${world.origin}${paths.cliAuthorize}?${query}`)
  let page = await tab.submitOnly()
  while (page.redirect && page.redirect.port !== '49152') page = await tab.navigate(page.redirect)
  const code = page.redirect?.searchParams.get('code')
  if (!code) throw new Error(`no code for the command line: ${page.status} ${page.url}`)
  const exchange = await tab.navigate(`${world.origin}${paths.cliToken}`, {
    method: 'POST',
    body: new URLSearchParams({ code, verifier }).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  })
  const { secret } = JSON.parse(exchange.body)
  if (typeof secret !== 'string') throw new Error(`no secret for the command line: ${exchange.status}`)
  return secret
}
