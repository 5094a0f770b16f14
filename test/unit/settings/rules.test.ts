import { describe, expect, test } from 'vitest'
import { insecureChoices } from '#settings/insecure.ts'
import { weaknessOf } from '#settings/weak-secret.ts'
import { least, load, problemsOf, settingsOf } from './settings-world.ts'

const strong = 'q9Zr-72hd_Lm4tWxB0pKcv1s'

function issuer(more: string): string {
  return `domain: ws.example.com\noidc:\n  - {id: main, issuer: "https://idp.example.com", clientId: g, ${more}}\n`
}

describe('a choice that weakens a check', () => {
  test.each([
    ['insecureHttpIssuer', 'oidc: [{id: a, issuer: "HTTP://idp.example.com", clientId: g}]', 'oidc[0].issuer'],
    ['insecureTrustEveryProxy', 'trustedProxies: [10.0.0.0/8, 0.0.0.0/0]', 'trustedProxies[1]'],
    ['insecureTrustEveryProxy', 'trustedProxies: ["::/0"]', 'trustedProxies[0]'],
    ['insecureTrustEveryProxy', 'trustedProxies: ["192.0.2.1/0"]', 'trustedProxies[0]'],
    ['insecureTrustEveryProxy', 'trustedProxies: ["::ffff:0:0/96"]', 'trustedProxies[0]'],
    [
      'insecureTrustEveryProxy',
      'listeners: [{port: 1, proxyProtocol: {trusted: ["0.0.0.0/0"]}}]',
      'listeners[0].proxyProtocol.trusted[0]',
    ],
    ['insecureHttpExternal', 'external: {scheme: http}', 'external.scheme'],
  ])('is refused without %s: %s', async (flag, choice, path) => {
    const base = choice.startsWith('oidc') ? 'domain: ws.example.com\n' : least
    const refused = await problemsOf({ file: `${base}${choice}\n` })
    expect(refused).toEqual([expect.stringContaining(`${path}: `)])
    expect(refused[0]).toContain(flag)
    const settings = await settingsOf({ file: `${base}${choice}\n${flag}: true\n` })
    expect(insecureChoices(settings)).toEqual([{ name: flag, meaning: expect.stringMatching(/\.$/) }])
  })

  test('of letting other machines ask for health and metrics is refused on a laptop, and the usual thing in a pod', async () => {
    const file = 'operations: {hosts: [0.0.0.0]}'
    expect(await problemsOf({ face: 'demo', file })).toEqual([expect.stringContaining('operations.hosts[0]: ')])
    expect(await problemsOf({ face: 'demo', file: `${file}\ninsecureWideBind: true` })).toEqual([])
    expect(await problemsOf({ face: 'serve', file })).toEqual([])
  })

  test('of listening for other machines in the clear is refused where browsers use it directly', async () => {
    const file = 'hosts: [0.0.0.0, "::1"]'
    expect(await problemsOf({ face: 'demo', file })).toEqual([expect.stringContaining('listeners[0].host: ')])
    expect((await settingsOf({ face: 'demo', file: `${file}\ninsecureWideBind: true` })).insecure).toEqual([
      'insecureWideBind',
    ])
    // A balancer in front ends TLS.
    expect(await problemsOf({ file: `${least}hosts: [0.0.0.0]` })).toEqual([])
  })

  test('of one origin for console and workspaces exists in path mode alone', async () => {
    expect(await problemsOf({ file: `${least}routing: {insecureSharedOrigin: true}` })).toEqual([
      expect.stringContaining('routing.insecureSharedOrigin: '),
    ])
    const settings = await settingsOf({ file: `${least}routing: {mode: path, insecureSharedOrigin: true}` })
    expect(settings.routing).toEqual({ mode: 'path', workspacesDomain: 'ws.example.com' })
    expect(insecureChoices(settings)).toHaveLength(1)
  })
})

describe('machines', () => {
  const machine = (more: string) => ({
    file: `machines: [{issuer: "https://k", subjects: ["system:serviceaccount:ci:bot"], ${more}}]`,
  })

  test('are let in by name, at an issuer, for an audience', async () => {
    const { machines } = await settingsOf({
      file: `machines:
  - {issuer: "https://kubernetes.default.svc", subjects: ["system:serviceaccount:ci:bot"], tokenReview: true}
  - {kind: issuer, issuer: "https://robots.example.com", audience: ws, subjects: [r2], usernamePrefix: "robot:"}
`,
    })
    expect(machines).toEqual([
      {
        ...{ kind: 'cluster', issuer: 'https://kubernetes.default.svc', audience: 'gatehouse', tokenReview: true },
        subjects: ['system:serviceaccount:ci:bot'],
      },
      {
        ...{ kind: 'issuer', issuer: 'https://robots.example.com', audience: 'ws', usernamePrefix: 'robot:' },
        subjects: ['r2'],
      },
    ])
  })

  test.each([
    ['subjects: []', 'machines[0].subjects'],
    ['subjects: ["bot"]', 'machines[0].subjects[0]'],
    ['usernamePrefix: "x:"', 'machines[0].usernamePrefix'],
    ['kind: issuer', 'machines[0].usernamePrefix'],
    ['kind: issuer, usernamePrefix: robot', 'machines[0].usernamePrefix'],
    ['kind: issuer, usernamePrefix: "robot:", tokenReview: true', 'machines[0].tokenReview'],
  ])('are refused with %s', async (more, path) => {
    const [own] = more.startsWith('subjects')
      ? [{ file: `machines: [{issuer: "https://k", ${more}}]` }]
      : [machine(more)]
    expect(await problemsOf(own)).toEqual([expect.stringContaining(`${path}: `)])
  })

  test('of one issuer stand in one place', async () => {
    const one = '{issuer: "https://k", subjects: ["system:serviceaccount:ci:bot"]}'
    expect(await problemsOf({ file: `machines: [${one}, ${one}]` })).toEqual([
      expect.stringContaining('machines[1].issuer: '),
    ])
  })
})

describe('issuers', () => {
  const two = (a: string, b: string) => `domain: ws.example.com
oidc:
  - {id: a, issuer: "https://a.example.com", clientId: g, ${a}}
  - {id: b, issuer: "https://b.example.com", clientId: g, ${b}}
`
  test.each([
    ['both without a prefix', 'scopes: [openid]', 'scopes: [openid]'],
    ['the same prefix', 'usernamePrefix: "x:", groupsPrefix: "x:"', 'usernamePrefix: "x:", groupsPrefix: "x:"'],
    [
      'one is the beginning of the other',
      'usernamePrefix: "g:", groupsPrefix: "g:"',
      'usernamePrefix: "g:h:", groupsPrefix: "g:h:"',
    ],
  ])('whose names could collide are refused: %s', async (_, a, b) => {
    const problems = await problemsOf({ file: two(a, b) })
    expect(problems.join('\n')).toContain('oidc[1].usernamePrefix: overlaps')
    expect(problems.join('\n')).toContain('oidc[1].groupsPrefix: overlaps')
  })

  test.each(['', 'a', 'ali', 'x9'])('beside the people of the demo may not have the prefix %j', async (prefix) => {
    const named = `usernamePrefix: "${prefix}", groupsPrefix: "${prefix}"`
    const file = `oidc: [{id: a, issuer: "https://a.example.com", clientId: g, ${named}}]`
    expect(await problemsOf({ face: 'demo', file })).toEqual([
      expect.stringContaining('oidc[0].usernamePrefix: '),
      expect.stringContaining('oidc[0].groupsPrefix: '),
    ])
    const apart = file.replaceAll(`"${prefix}"`, `"${prefix}:"`)
    expect(await problemsOf({ face: 'demo', file: apart })).toEqual([])
  })

  test('with prefixes of their own live side by side', async () => {
    const file = two('usernamePrefix: "g:", groupsPrefix: "g:"', 'usernamePrefix: "h:", groupsPrefix: "h:"')
    expect((await settingsOf({ file })).oidc).toHaveLength(2)
  })

  test.each([
    ['usernamePrefix: "system:"', 'oidc[0].usernamePrefix'],
    ['groupsPrefix: "system:masters"', 'oidc[0].groupsPrefix'],
    ['scopes: [profile]', 'oidc[0].scopes'],
  ])('with %s are refused', async (more, path) => {
    expect(await problemsOf({ file: issuer(more) })).toEqual([expect.stringContaining(`${path}: `)])
  })

  test.each([
    'https://u:p@idp.example.com',
    'https://idp.example.com?x=1',
    'https://idp.example.com#x',
    'idp.example.com',
  ])('spelt %s are refused', async (url) => {
    const file = `domain: ws.example.com\noidc: [{id: a, issuer: "${url}", clientId: g}]`
    expect(await problemsOf({ file })).toEqual([expect.stringContaining('oidc[0].issuer: ')])
  })
})

describe('a client secret', () => {
  test('comes from a file or the environment, and is not among the settings', async () => {
    const fromFile = await load({
      file: issuer('clientSecret: {file: s}'),
      files: { '/etc/gatehouse/s': `${strong}\n` },
    })
    const fromEnv = await load({ file: issuer('clientSecret: {env: OIDC_SECRET}'), env: { OIDC_SECRET: strong } })
    for (const loaded of [fromFile, fromEnv]) {
      if (loaded.kind !== 'loaded') throw new Error('not loaded')
      expect(loaded.secrets.clientSecrets.get('main')?.reveal()).toBe(strong)
      expect(JSON.stringify(loaded)).not.toContain(strong)
    }
  })

  test.each([
    ['clientSecret: q9Zr-72hd_Lm4tWxB0pKcv1s', 'must be {file: PATH} or {env: NAME}'],
    ['clientSecret: {file: a, env: B}', 'exactly one of file and env'],
    ['clientSecret: {}', 'exactly one of file and env'],
    ['clientSecret: {env: NOT_SET}', 'the variable NOT_SET is not set'],
    ['clientSecret: {file: gone}', "can't be read"],
    ['clientSecret: {env: WEAK}', 'placeholder'],
  ])('given as %s is refused', async (more, said) => {
    const problems = await problemsOf({ file: issuer(more), env: { WEAK: 'changeme' } })
    expect(problems).toEqual([expect.stringMatching(/^settings\.yaml:3: oidc\[0\]\.clientSecret: /)])
    expect(problems[0]).toContain(said)
    expect(problems[0]).not.toContain('q9Zr')
    expect(problems[0]).not.toContain('changeme')
  })

  test.each([
    '',
    'changeme',
    'CHANGE-ME',
    'change-me-change-me',
    'secret',
    'secret-secret-secret',
    'my-client-secret-1234',
    '<your-secret-here>',
    '$' + '{CLIENT_SECRET_FROM_VAULT}',
    'short-9Zr72hd',
    'aaaaaaaaaaaaaaaaaaaaaaaa',
    'abababababababababab',
    'gatehouse-secret-0001',
    'supersecretpassword',
  ])('%j is none', (value) => {
    expect(weaknessOf(value)).toEqual(expect.any(String))
  })

  test.each([strong, '0123456789abcdef', 'correct horse battery staple'])('%j may be one', (value) => {
    expect(weaknessOf(value)).toBeUndefined()
  })
})

describe('the password of the demo', () => {
  test('may be short on loopback, and must be strong where other machines can come', async () => {
    const env = { GATEHOUSE_DEMO_PASSWORD: 'wx7' }
    const loaded = await load({ face: 'demo', env })
    if (loaded.kind !== 'loaded') throw new Error('not loaded')
    expect(loaded.secrets.demoPassword?.reveal()).toBe('wx7')
    const wide = { ...env, GATEHOUSE_INSECURE_WIDE_BIND: 'true', GATEHOUSE_HOSTS: '0.0.0.0' }
    expect(await problemsOf({ face: 'demo', env: wide })).toEqual([
      'GATEHOUSE_DEMO_PASSWORD: demo.password: has fewer than 16 characters',
    ])
  })
})

test.each([
  [
    'listeners: [{kind: plain, port: 1, certificates: [{certFile: a, keyFile: a}]}]',
    'listeners[0].certificates: is for tls',
  ],
  ['listeners: [{port: 1}, {port: 1}]', 'listeners[1].port: is taken'],
  ['listeners: [{port: 8802}]', 'listeners[0].port: is taken'],
  ['sessions: {renewEvery: 13h}', 'sessions.renewEvery: must not be longer'],
  ['connections: {port-forward: {port: 2222}}', 'connections.port-forward.port: is for kinds of SSH'],
  ['connections: {"*-remote": {port: 22}}', 'connections.*-remote.port: must not be 22'],
  ['domain: "192.0.2.1"', 'domain: must be a lower-case DNS name'],
  [`domain: ${'abcdefghi.'.repeat(19)}example`, 'domain: must have at most 189'],
])('%s is refused', async (file, said) => {
  const problems = await problemsOf({
    file: file.startsWith('domain') ? `${least.replace(/^domain.*$/m, '')}${file}` : `${least}${file}`,
    files: { '/etc/gatehouse/a': '' },
  })
  expect(problems).toEqual([expect.stringContaining(said)])
})
