/** Names that are properties of every object, and more fields than anybody needs (CVE-2026-21710). */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { blocked, requestText, useTenants } from '#test/support/tenants.ts'

const names = [
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  'valueOf',
  '__defineGetter__',
  'length',
  'then',
]

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#28 names of properties are names like others, for requests, upgrades and our own pages', async () => {
    const { a, ask, attackTwice, world } = tenants()
    const { cookie, authority: host, prefix } = a
    const fields = names.flatMap((name) => [name, 'x', name, 'y'])
    expect((await ask(requestText({ target: `${prefix}x`, host, cookie, fields }))).status).toBe(200)
    const seen = a.app.requests.at(-1)
    for (const name of names) expect(seen && headersOf(seen, name)).toEqual(['x', 'y'])
    const refused = { status: 401, reasons: ['login-needed:none'], upstreamBytes: 0 }
    expect(await attackTwice({ target: prefix, host, fields })).toEqual(refused)
    const cookies = names.map((name) => `${name}=x`).join('; ')
    expect(await attackTwice({ target: prefix, host, cookie: cookies, fields })).toEqual(refused)
    for (const name of names) {
      const target = `/.gatehouse/api/v1/workspaces/${name}/${name}?${name}=x&to=${name}`
      const answer = await ask(requestText({ target, host: `localhost:${world.port}`, fields, cookie: cookies }))
      expect(answer.status, name).toBe(401)
    }
  })

  test('#28 too many fields, or too many bytes of them, are refused, and others are served meanwhile', async () => {
    const { a, ask, attackTwice } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const many = (count: number) => Array.from({ length: count }, (_, index) => [`a${index % 7}`, 'x']).flat()
    expect(await attackTwice({ target, host, cookie, fields: many(300) })).toEqual(blocked(431, 'too_many_fields'))
    expect(await attackTwice({ target, host, cookie, fields: many(2001) })).toEqual(blocked(431, 'too_many_fields'))
    for (const fields of [
      many(6000),
      ['X', 'x'.repeat(17_000)],
      ['Cookie', 'x=y; '.repeat(4000)],
      ['x'.repeat(17_000), 'y'],
    ]) {
      expect(await attackTwice({ target, host, cookie, fields })).toEqual(blocked(431, 'header_too_large'))
    }
    expect((await ask(requestText({ target, host, cookie }))).status).toBe(200)
  })
})
