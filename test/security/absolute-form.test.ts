/** A target with a host of its own beside the Host field: two answers to the question of whom a request is for. */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { blocked, requestText, useTenants } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#13 another host, port or scheme in the target than in the Host field is refused', async () => {
    const { a, b, world, attackTwice } = tenants()
    const { cookie, prefix, authority } = a
    const ours = `localhost:${world.port}`
    const [name = ''] = authority.split(':')
    const pairs = [
      [`http://evil${prefix}`, authority],
      [`http://${ours}${b.prefix}`, authority],
      [`http://${authority}${b.prefix}`, ours],
      [`http://${name}${prefix}`, authority],
      [`http://${name}:1${prefix}`, authority],
      [`https://${authority}${prefix}`, authority],
    ] as const
    for (const [target, host] of pairs) {
      expect(await attackTwice({ target, host, cookie }), target).toEqual(blocked(400, 'host_mismatch'))
    }
    if (mode === 'path') return
    const target = `http://${b.authority}/`
    expect(await attackTwice({ target, host: authority, cookie })).toEqual(blocked(400, 'host_mismatch'))
  })

  test('#13 the Host field alone does not say where an absolute target may go either', async () => {
    const { a, attackTwice } = tenants()
    const { cookie, prefix, authority } = a
    const target = `http://${authority}${prefix}`
    expect(await attackTwice({ target, host: undefined, cookie })).toEqual(blocked(400, 'host_missing'))
  })

  test('#13 what is no absolute target of a web page is refused', async () => {
    const { a, attackTwice } = tenants()
    const { cookie, prefix, authority: host } = a
    const wrong = [
      [`http://alice@${host}${prefix}`, 'target_authority'],
      [`http://${host},evil${prefix}`, 'target_authority'],
      [`http://${host}/${prefix}`, 'target_double_slash'],
      [`ftp://${host}${prefix}`, 'target_form'],
    ] as const
    for (const [target, reason] of wrong) {
      expect(await attackTwice({ target, host, cookie }), target).toEqual(blocked(400, reason))
    }
    // These are no targets to Node's parser either.
    for (const target of [
      `http://${prefix}`,
      `http:${prefix}`,
      `javascript:${prefix}`,
      `${host}${prefix}`,
      `mailto:a@b`,
    ]) {
      const outcome = await attackTwice({ target, host, cookie })
      expect(outcome, target).toEqual({ ...blocked(400, ''), reasons: [expect.any(String)] })
    }
  })

  test('#13 one that names the same host is the request it would be without it', async () => {
    const { a, world, ask } = tenants()
    const { cookie, prefix, authority: host } = a
    for (const start of [`http://${host}`, `HTTP://${host.toUpperCase()}`]) {
      const answer = await ask(requestText({ target: `${start}${prefix}x?y=%2F`, host, cookie }))
      expect(answer.status).toBe(200)
      const seen = a.app.requests.at(-1)
      expect(seen).toMatchObject({ app: 'team/a', url: `${prefix}x?y=%2F` })
      expect(seen && headersOf(seen, 'host')).toEqual([host])
    }
    const ours = `localhost:${world.port}`
    const plain = await ask(requestText({ target: '/.gatehouse/jwks.json', host: ours }))
    const absolute = await ask(requestText({ target: `http://${ours}/.gatehouse/jwks.json`, host: ours }))
    expect(plain.status).toBe(200)
    expect(absolute).toMatchObject({ status: 200, body: plain.body })
  })
})
