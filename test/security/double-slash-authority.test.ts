/** `//host/path`: what a URL parser takes for another host, and a router behind it for another path (CVE-2025-54576's relatives). */
import { describe, expect, test } from 'vitest'
import { blocked, requestText, useTenants } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#1 a target that begins with two slashes is refused, whatever host it could name', async () => {
    const { a, b, world, attackTwice } = tenants()
    const { cookie, authority: host } = a
    const refused = blocked(400, 'target_double_slash')
    for (const target of [
      '//evil/workspaces/team/b/',
      '//evil/',
      '//',
      '///workspaces/team/b/',
      `//${b.authority}${b.prefix}`,
      `//${b.authority}`,
      `/${a.prefix}`,
      `//@${b.authority}${b.prefix}`,
    ]) {
      expect(await attackTwice({ target, host, cookie }), target).toEqual(refused)
      expect(await attackTwice({ target, host: `localhost:${world.port}` }), target).toEqual(refused)
    }
  })

  test('#1 two slashes further on are of the path, and go to its own workspace as they are', async () => {
    const { a, b, ask } = tenants()
    const before = b.app.bytes()
    const target = `${a.prefix}x//${b.authority}//y/`
    expect((await ask(requestText({ target, host: a.authority, cookie: a.cookie }))).status).toBe(200)
    expect(a.app.requests.at(-1)?.url).toBe(target)
    expect(b.app.bytes()).toBe(before)
  })
})
