/** A name has one spelling: no second one reaches the same workspace, and none is decided upon by another rule. */
import { describe, expect, test } from 'vitest'
import { blocked, requestText, useTenants } from '#test/support/tenants.ts'

/** Not there, or not a name at all. */
const nobody = { status: expect.toSatisfy((status) => status === 400 || status === 404), upstreamBytes: 0 }

describe('in path mode', () => {
  const tenants = useTenants({ mode: 'path' })

  test('#9 an over-encoded letter in the prefix is refused before anybody asks who it is', async () => {
    const { a, attackTwice } = tenants()
    const { cookie, authority: host } = a
    const refused = blocked(400, 'target_not_canonical')
    const targets = [
      '/workspaces/te%61m/a/',
      '/workspaces/team/%61/',
      '/%77orkspaces/team/a/',
      '/workspaces/team/a%3A8888/',
    ]
    for (const target of targets) {
      expect(await attackTwice({ target, host, cookie }), target).toEqual(refused)
      expect(await attackTwice({ target, host }), target).toEqual(refused)
    }
  })

  test('#10 another case of the prefix names nothing', async () => {
    const { a, attackTwice } = tenants()
    const { cookie, authority: host } = a
    const targets = [
      '/WORKSPACES/TEAM/A/',
      '/Workspaces/team/a/',
      '/workspaces/Team/a/',
      '/workspaces/team/A/',
      '/workspaces/team/A',
    ]
    for (const target of targets) {
      expect(await attackTwice({ target, host, cookie }), target).toEqual(blocked(404, 'not_found'))
    }
  })

  test('#10 nor does another spelling of a port, or of the end of a name', async () => {
    const { a, attackTwice } = tenants()
    const { cookie, authority: host } = a
    const ends = [
      ':',
      ':0',
      ':08888',
      ':+8888',
      ':8888:8888',
      ':65536',
      ':8888.0',
      ':http',
      ';x=1',
      '.',
      '-',
      ',',
      '+',
      '*',
      '@b',
    ]
    for (const end of ends) {
      const outcome = await attackTwice({ target: `/workspaces/team/a${end}/`, host, cookie })
      expect(outcome, end).toEqual({ ...nobody, reasons: [expect.any(String)] })
    }
  })
})

describe('in host mode', () => {
  const tenants = useTenants({ mode: 'host' })

  test('#9 #10 a label of the host that is not in the one spelling names nothing', async () => {
    const { a, attackTwice, world } = tenants()
    const [label = ''] = a.authority.split('.')
    const spellings = [
      ...[`${label}=`, `${label}a`, label.slice(0, -1), label.replace('-', '--'), `x.${label}`],
      ...[`${label}--0`, `${label}--08888`, `${label}--65536`, `${label}--`, `${label}--8888--8888`],
    ]
    for (const spelling of spellings) {
      const outcome = await attackTwice({ target: '/', host: `${spelling}.localhost:${world.port}`, cookie: a.cookie })
      expect(outcome, spelling).toEqual({ ...nobody, reasons: [expect.any(String)] })
    }
  })

  test('#10 names of hosts have no case: all of them are one workspace, under one cookie', async () => {
    const { a, ask } = tenants()
    const host = a.authority.toUpperCase()
    expect((await ask(requestText({ target: '/x', host, cookie: a.cookie }))).status).toBe(200)
    expect((await ask(requestText({ target: '/x', host }))).status).toBe(401)
    expect(a.app.requests.at(-1)).toMatchObject({ app: 'team/a', url: '/x' })
  })
})
