/** Host fields that two readers could read as two hosts. Node hands over whatever stood there. */
import { describe, expect, test } from 'vitest'
import { blocked, requestText, useTenants } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#14 two Host fields are refused, whatever they say and however they are spelled', async () => {
    const { a, b, world, attackTwice } = tenants()
    const { cookie, prefix: target, authority } = a
    for (const second of [b.authority, authority, `localhost:${world.port}`, 'evil', '']) {
      for (const name of ['Host', 'HOST', 'host']) {
        const outcome = await attackTwice({ target, host: authority, cookie, fields: [name, second] })
        expect(outcome, second).toEqual(blocked(400, 'duplicate_field'))
        const other = await attackTwice({ target, host: second, cookie, fields: [name, authority] })
        expect(other, second).toEqual(blocked(400, 'duplicate_field'))
      }
    }
  })

  test('#14 no Host field is refused', async () => {
    const { a, attackTwice } = tenants()
    const { cookie, prefix: target } = a
    expect(await attackTwice({ target, host: undefined, cookie })).toEqual(blocked(400, 'host_missing'))
  })

  test('#14 a Host field that is not one name with perhaps a port is refused', async () => {
    const { a, b, world, attackTwice } = tenants()
    const { cookie, prefix: target, authority } = a
    const [name = ''] = authority.split(':')
    const { port } = world
    const wrong = [
      ...['', `${authority}, ${b.authority}`, `${authority},${b.authority}`, `${authority} ${b.authority}`],
      ...[`alice@${authority}`, `${authority}@${b.authority}`, `${authority}/`, `${authority}/../b`, `${authority}?x`],
      ...[`${authority}#x`, `${authority}\\x`, `${name}.:${port}`, `${name}..:${port}`, `.${authority}`, `${name}:`],
      ...[`${name}:0`, `${name}:0${port}`, `${name}:+${port}`, `${name}:65536`, `${name}:${port}:${port}`],
      ...['[::1', '[::1]x', '[::1%25eth0]', '[fe80::1%lo]', '[::g]', '[1:2]', '::1', '127.1', '0x7f.1', '2130706433'],
      ...[`http://${authority}`, `"${authority}"`, `${name}%00:${port}`, `\xe4${authority}`, `-${authority}`],
    ]
    for (const host of wrong) {
      expect(await attackTwice({ target, host, cookie }), host).toEqual(blocked(400, 'host_malformed'))
    }
  })

  test('#14 a name in another case is the same workspace, and the upstream is told of the one name', async () => {
    const { a, ask } = tenants()
    const { prefix: target, cookie, authority } = a
    const answer = await ask(requestText({ target, host: authority.toUpperCase(), cookie }))
    expect(answer.status).toBe(200)
    const seen = a.app.requests.at(-1)
    expect(seen?.rawHeaders[(seen.rawHeaders.indexOf('X-Forwarded-Host') ?? 0) + 1]).toBe(authority)
  })
})
