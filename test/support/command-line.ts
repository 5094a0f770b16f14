/** A command line that somebody has logged in through a browser, as a person does it. */
import { createHash, randomBytes } from 'node:crypto'
import { paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from './browser-session.ts'
import { plainRequest } from './plain-request.ts'
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
  const consent = await tab.open(`${world.origin}${paths.cliAuthorize}?${query}`)
  const form = consent.forms.find((one) => one.fields.has('form'))
  if (!form) throw new Error(`no question to agree to: ${consent.status} ${consent.url}`)
  let page = await tab.navigate(form.action ?? '', {
    method: 'POST',
    body: new URLSearchParams([...form.fields, ['decision', 'allow']]).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    from: consent,
  })
  while (page.redirect && page.redirect.port !== '49152') page = await tab.navigate(page.redirect)
  const code = page.redirect?.searchParams.get('code')
  if (!code) throw new Error(`no code for the command line: ${page.status} ${page.url}`)
  const exchange = await plainRequest(`${world.origin}${paths.cliToken}`, {
    method: 'POST',
    body: new URLSearchParams({ code, verifier }).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  })
  if (exchange.status !== 200) throw new Error(`no secret for the command line: ${exchange.status} ${exchange.body}`)
  return String(JSON.parse(exchange.body).secret)
}
