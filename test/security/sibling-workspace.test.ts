/**
 * A page of one workspace that asks for another in its visitor's name. In host mode origins keep them apart; in path mode they share one, which
 * the README says, and the page of any other origin is kept out.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { requestText, type Tenant, useTenants, websocketFields } from '#test/support/tenants.ts'

const get = ['Sec-Fetch-Mode', 'cors', 'Sec-Fetch-Dest', 'empty']
const post = ['Content-Length', '0']

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  /** alice's visit of a page at `origin`, which asks for her other workspace with all cookies that she has. */
  async function asks(of: Tenant, method: string, origin: string, site: string, more: readonly string[]) {
    const { attack } = tenants()
    const fields = ['Origin', origin, 'Sec-Fetch-Site', site, ...more]
    return attack(requestText({ method, target: `${of.prefix}api`, host: of.authority, cookie: of.cookie, fields }))
  }

  test('#80 a page of another origin, a sibling’s among them, can neither read, change nor open a socket', async () => {
    const { a, tenant, alice, world } = tenants()
    const other = await tenant({ name: `other-${mode}`, owner: 'alice' }, alice)
    const origins: [string, string][] = [
      [world.origin, 'same-site'],
      ['http://evil.example', 'cross-site'],
      ['null', 'cross-site'],
      [`https://${other.authority}`, 'same-site'],
      ...(mode === 'host' ? [[`http://${a.authority}`, 'same-site'] as [string, string]] : []),
    ]
    for (const [origin, site] of origins) {
      for (const [method, more] of [
        ['POST', post],
        ['PUT', post],
        ['DELETE', []],
        ['GET', websocketFields],
        ['GET', get],
      ] as const) {
        const outcome = await asks(other, method, origin, site, more)
        expect(outcome, `${method} ${origin}`).toEqual({
          status: 403,
          reasons: [expect.stringMatching(/^cross-origin:/)],
          upstreamBytes: 0,
        })
      }
    }
  })

  test('#80 a cookie is for its own workspace: a browser does not send it to another one, and it is good for none', async () => {
    const { a, b, alice, attack } = tenants()
    const own = alice.cookies.header({ url: new URL(`${a.url}x`), isSameSite: true, isSafeNavigation: false }) ?? ''
    const name = /^[^=]+/.exec(own)?.[0] ?? 'none'
    expect(own).toContain('gatehouse')
    const sent = alice.cookies.header({ url: new URL(`${b.url}x`), isSameSite: true, isSafeNavigation: false }) ?? ''
    expect(sent).not.toContain(own.slice(name.length + 1))
    const outcome = await attack(requestText({ target: b.prefix, host: b.authority, cookie: a.cookie }))
    expect(outcome).toEqual({ status: 401, reasons: [expect.stringMatching(/^login-needed/)], upstreamBytes: 0 })
  })

  test('#80 neither the console nor the API speaks to a page of a workspace', async () => {
    const { a, alice, attack, world } = tenants()
    const own = { url: new URL(world.origin), isSameSite: true, isSafeNavigation: false }
    const cookie = alice.cookies.header(own) ?? ''
    expect(cookie).toContain('gatehouse')
    const fields = ['Origin', `http://${a.authority}`, 'Sec-Fetch-Site', 'same-site', 'Content-Length', '0']
    const target = `/.gatehouse/api/v1/workspaces/${a.ref.namespace}/${a.ref.name}/stop`
    const outcome = await attack(
      requestText({ method: 'POST', target, host: `localhost:${world.port}`, cookie, fields }),
    )
    expect(outcome).toMatchObject({ status: 403, reasons: [expect.stringMatching(/^cross-origin:/)], upstreamBytes: 0 })
  })
})

test('#80 the README says what workspaces can do to each other in path mode', () => {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
  expect(readme).toContain('Path mode cannot protect workspaces from each other.')
})
