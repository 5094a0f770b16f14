/** Names that look like one of ours to a substring, a prefix, a suffix or an eye (CVE-2026-55438, CVE-2026-55430). */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { blocked, requestText, useTenants } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#15 a name that is not below our domain is not served', async () => {
    const { a, world, attackTwice } = tenants()
    const { cookie, prefix: target, authority } = a
    const [name = ''] = authority.split(':')
    const { port } = world
    const foreign = [
      ...[`${name}.evil:${port}`, `${name}evil:${port}`, `${name.replace('.localhost', 'xlocalhost')}:${port}`],
      ...[`xlocalhost:${port}`, `localhost.evil:${port}`, `localhost.localhost.evil:${port}`, `evil:${port}`],
      ...[`127.0.0.1:${port}`, `[::1]:${port}`, `${name}:80`, `${name}:${port + 1}`, 'localhost:1'],
      ...(mode === 'path' ? [`a-orswc3i.localhost:${port}`, `x.workspaces.localhost:${port}`] : []),
    ]
    for (const host of foreign) {
      expect(await attackTwice({ target, host, cookie }), host).toEqual(blocked(421, 'foreign_host'))
    }
  })

  test('#15 nor one below it that nobody has', async () => {
    const { a, world, attackTwice } = tenants()
    const { cookie } = a
    const { port } = world
    const [label = ''] = a.authority.split('.')
    const nobody = [
      ...['8c36ce5f-3d41-4c39-8c69-0bea396ac878', 'workspacesx', 'idp', 'console', 'localhost', 'www', `a--b`],
      ...[`x.${label}`, `${label}.${label}`, 'xn--a-0ca'],
    ]
    if (mode === 'path') return
    for (const name of nobody) {
      const outcome = await attackTwice({ target: '/', host: `${name}.localhost:${port}`, cookie })
      expect(outcome, name).toEqual(blocked(404, 'not_found'))
    }
  })

  test('#15 none of them is told that a script of its own may read an answer', async () => {
    const { a, world, ask } = tenants()
    const { port } = world
    for (const host of [
      `evil:${port}`,
      `8c36ce5f-3d41-4c39-8c69-0bea396ac878.localhost:${port}`,
      `localhost:${port}`,
      a.authority,
    ]) {
      for (const origin of [`http://${host}`, 'http://evil.test', 'null']) {
        for (const method of ['GET', 'OPTIONS']) {
          const fields = ['Origin', origin, 'Access-Control-Request-Method', 'GET']
          const { rawHeaders } = await ask(requestText({ method, target: '/.gatehouse/api/v1/whoami', host, fields }))
          const granted = rawHeaders.filter((text) => text.toLowerCase().startsWith('access-control-'))
          expect(granted, `${method} ${host} ${origin}`).toEqual([])
        }
      }
    }
  })

  test('#15 a link made of a foreign name is never handed out', async () => {
    const { ask, world } = tenants()
    const fields = ['Accept', 'text/html']
    const answer = await ask(requestText({ target: '/', host: `evil.test:${world.port}`, fields }))
    expect(answer.status).toBe(421)
    expect(headersOf(answer, 'location')).toEqual([])
    expect(answer.body + answer.rawHeaders.join('\n')).not.toContain('evil.test')
  })
})
