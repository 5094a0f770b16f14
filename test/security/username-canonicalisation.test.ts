/** One spelling for each name: whoever comes with another one is that very person, somebody else, or refused; never both. */
import { expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { faultyIssuerWorld } from '#test/support/faulty-issuer-world.ts'

const composed = '\u00c5ngstr\u00f6m'
const decomposed = 'A\u030angstro\u0308m'

async function scene(owner: string) {
  const made = await faultyIssuerWorld()
  const { url, app } = await made.world.workspace({ name: 'nb', owner })
  /** As whom, with which subject; where it leads. */
  const statusAs = async (name: unknown, sub: string, headers: Record<string, string> = {}) => {
    made.issuer.faults = { claims: (claims) => ({ ...claims, preferred_username: name, sub }) }
    const browser = made.world.browser()
    await browser.open(url)
    return (await browser.navigate(url, { headers })).status
  }
  const lastReason = () => made.world.audit.findLast((event) => event.event === 'deny')?.reason
  return { made, app, statusAs, lastReason, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() }
}

test('#44 both Unicode forms of a name are one principal, and belong to the first person who came with either', async () => {
  await using s = await scene(composed)
  expect(await s.statusAs(decomposed, 'sub-1')).toBe(200)
  expect(await s.statusAs(composed, 'sub-1')).toBe(200)
  expect(new Set(s.made.sessions().map(({ spec }) => spec.username))).toEqual(new Set([composed]))
  const [name] = s.app.requests.flatMap((echo) => headersOf(echo, 'X-Forwarded-User'))
  expect(Buffer.from(name ?? '', 'latin1').toString('utf8')).toBe(composed)
  const before = s.app.bytes()
  // Refused at the issuer's answer, so without a session there is only the way to the login again.
  expect(await s.statusAs(decomposed, 'sub-2')).toBe(302)
  expect(s.lastReason()).toBe('login:username_taken')
  expect(s.app.bytes()).toBe(before)
})

test('#44 upper and lower case are two people, as in Kubernetes', async () => {
  await using s = await scene('alice')
  expect(await s.statusAs('Alice', 'sub-1')).toBe(403)
  expect(await s.statusAs('ALICE', 'sub-2')).toBe(403)
  expect(s.app.bytes()).toBe(0)
  expect(await s.statusAs('alice', 'sub-3')).toBe(200)
})

test('#44 a name with blanks, controls, look-alike letters or marks that join what is before them is refused', async () => {
  await using s = await scene('alice')
  const names = [
    'alice ',
    ' alice',
    'alice\n',
    'ali\u0000ce',
    'ali\u200bce',
    '\u202ealice',
    'ａｌｉｃｅ',
    'ali\u00a0ce',
    '\u0301alice',
    ['alice'],
    7,
  ]
  for (const name of names) {
    expect(await s.statusAs(name, 'sub-1'), JSON.stringify(name)).toBe(302)
    expect(s.lastReason()).toBe('login:username_malformed')
  }
  expect(s.made.sessions()).toEqual([])
  expect(s.app.bytes()).toBe(0)
})

test('#44 [JK3.2] names of Kubernetes and empty names are refused as a user, and are no group', async () => {
  await using s = await scene('system:admin')
  for (const name of ['system:admin', 'system:masters', 'system:serviceaccount:kube-system:x', 'system:'])
    expect([await s.statusAs(name, 'sub-1'), s.lastReason()]).toEqual([302, 'login:username_reserved'])
  for (const name of ['', undefined, null])
    expect([await s.statusAs(name, 'sub-1'), s.lastReason()]).toEqual([302, 'login:username_missing'])
  expect([await s.statusAs('   ', 'sub-1'), s.lastReason()]).toEqual([302, 'login:username_malformed'])
  expect(s.made.sessions()).toEqual([])
  expect(s.app.bytes()).toBe(0)
  await s.made.logIn({ claims: (claims) => ({ ...claims, groups: ['system:masters', 'system:', '', ' ', 'ds'] }) })
  expect(s.made.sessions().map(({ spec }) => spec.groups)).toEqual([['ds']])
})

test('#44 header fields that impersonate somebody towards Kubernetes change nothing of who is asking', async () => {
  await using s = await scene('alice')
  const fields = {
    'Impersonate-User': 'alice',
    'Impersonate-Group': 'admins',
    'Impersonate-Uid': 'sub-1',
    'X-Remote-User': 'alice',
  }
  expect(await s.statusAs('mallory', 'sub-2', fields)).toBe(403)
  expect(s.app.bytes()).toBe(0)
})
