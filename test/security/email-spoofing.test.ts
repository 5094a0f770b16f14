/** Addresses that only look like somebody's, or that nobody has verified, are nobody's user name. */
import { expect, test } from 'vitest'
import { type FaultyIssuerWorld, faultyIssuerWorld } from '#test/support/faulty-issuer-world.ts'

const byEmail = { issuer: { usernameClaim: 'email' } }

/** Where somebody with this address gets who wants the workspace of `a@corp.com`. */
async function statusWith(
  made: FaultyIssuerWorld,
  url: string,
  email: unknown,
  said: object = { email_verified: true },
) {
  made.issuer.faults = {
    claims: (claims) => ({ ...claims, sub: `sub of ${JSON.stringify(email)}`, email, ...said }),
  }
  return (await made.world.browser().open(url)).status
}

test('#42 [JK3.3] an address counts only if the issuer says that it is verified, by nothing but true', async () => {
  await using made = await faultyIssuerWorld(byEmail)
  const { url, app } = await made.world.workspace({ name: 'nb', owner: 'a@corp.com' })
  for (const verified of [undefined, false, 'false', 'true', 0, 1, null, {}, [true]]) {
    expect(await statusWith(made, url, 'a@corp.com', { email_verified: verified }), JSON.stringify(verified)).toBe(403)
    expect(made.world.audit.at(-1)).toMatchObject({ event: 'deny', reason: 'login:email_unverified' })
  }
  expect(made.sessions()).toEqual([])
  expect(app.bytes()).toBe(0)
  expect(await statusWith(made, url, 'a@corp.com')).toBe(200)
})

test('#42 an address that two readers could read as two is refused', async () => {
  await using made = await faultyIssuerWorld(byEmail)
  const { url, app } = await made.world.workspace({ name: 'nb', owner: 'a@corp.com' })
  const addresses = [
    'a@evil@corp.com',
    '"a@corp.com"@evil.test@corp.com',
    'a@CORP.com\n',
    'a@corp.com\u0000',
    ' a@corp.com',
    'a@corp.com ',
    'a@corp.com.',
    'a@cоrp.com',
    'a@corp。com',
    'a@ｃｏｒｐ.com',
    'a＠corp.com',
    'a\u200b@corp.com',
    'ａ@corp.com',
    '@corp.com',
    'a@',
    ['a@corp.com'],
  ]
  for (const address of addresses) expect(await statusWith(made, url, address), JSON.stringify(address)).toBe(400)
  expect(made.sessions()).toEqual([])
  expect(app.bytes()).toBe(0)
})

test('#42 an address at another domain is another person, however alike it looks', async () => {
  await using made = await faultyIssuerWorld(byEmail)
  const { url, app } = await made.world.workspace({ name: 'nb', owner: 'a@corp.com' })
  for (const address of [
    'a@corp.com.evil.test',
    'a@evil.test',
    'a@xn--crp-ppa.com',
    'A@corp.com',
    'a+b@corp.com',
    'а@corp.com',
  ]) {
    expect(await statusWith(made, url, address), address).toBe(403)
    expect(made.sessions().at(-1)?.spec.username).toBe(address)
  }
  expect(app.bytes()).toBe(0)
})

test('#42 the domain of an address is one in upper and lower case, and the second who comes with it does not become the first', async () => {
  await using made = await faultyIssuerWorld(byEmail)
  const { url } = await made.world.workspace({ name: 'nb', owner: 'a@corp.com' })
  expect(await statusWith(made, url, 'a@corp.com')).toBe(200)
  expect(await statusWith(made, url, 'a@CORP.com')).toBe(403)
  expect(made.world.audit.at(-1)).toMatchObject({ event: 'deny', reason: 'login:username_taken' })
})
