import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { paths } from '#surface/urls.ts'
import { loginGateway } from '#test/support/login-gateway.ts'

const verifier = 'v'.repeat(43)

test('a person agrees in the browser, and the command line works for as long as the provider vouches, without the browser', async () => {
  await using gateway = await loginGateway()
  const browser = gateway.browser()
  const query = new URLSearchParams({
    redirect_uri: 'http://127.0.0.1:49152/done',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    state: 'state-of-the-command-line',
    device: 'the laptop',
  })
  await browser.open(`${gateway.origin}${paths.cliAuthorize}?${query}`)
  const consent = await browser.login('dave', gateway.provider.password)
  expect(consent.body).toContain('the laptop')
  let page = await browser.submitOnly()
  while (page.redirect && page.redirect.port !== '49152') page = await browser.navigate(page.redirect)
  expect(page.redirect?.searchParams.get('state')).toBe('state-of-the-command-line')
  const exchange = await browser.navigate(`${gateway.origin}${paths.cliToken}`, {
    method: 'POST',
    body: new URLSearchParams({
      code: page.redirect?.searchParams.get('code') ?? '',
      code_verifier: verifier,
    }).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  })
  expect(exchange.status).toBe(200)
  const commandLine = gateway.browser()
  const ask = () => commandLine.fetch(`${gateway.origin}/`, { headers: { Authorization: `Bearer ${exchange.body}` } })
  expect(JSON.parse((await ask()).body).username).toBe('dave')
  expect([...gateway.sessions()].sort()).toEqual(['dave browser', 'dave cli'])

  // The browser's session runs out; the command line's is renewed by itself.
  const ofCli = () => gateway.replica.sessions.find(({ spec }) => spec.kind === 'cli')[0]
  const before = ofCli()?.spec.expiresAt
  await gateway.world.clock.advance(51 * 60_000)
  expect((await ask()).status).toBe(200)
  await expect.poll(() => ofCli()?.spec.expiresAt).not.toBe(before)
  await gateway.world.clock.advance(20 * 60_000)
  expect(gateway.sessions()).toEqual(['dave cli'])
  expect((await ask()).status).toBe(200)

  gateway.provider.admin.revokeGrants('dave')
  await gateway.world.clock.advance(35 * 60_000)
  await ask()
  await expect.poll(() => gateway.sessions()).toEqual([])
})
