import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clientSecretRefsIn, type Edition, managedSettings } from '#settings/managed.ts'
import { sayProblem } from '#settings/problem.ts'
import { Secret } from '#settings/secret.ts'
import { least, load, settingsOf } from './settings-world.ts'

const strong = new Secret('q9Zr-72hd_Lm4tWxB0pKcv1s')
const idp = { issuer: 'https://idp.example.com', clientId: 'gatehouse' }

async function baseOf(file = least): Promise<Edition> {
  return { settings: await settingsOf({ file }), secrets: { clientSecrets: new Map(), demoPassword: undefined } }
}

async function judge(spec: unknown, { file = least, secretOf = () => strong as Secret | string } = {}) {
  return managedSettings(spec, await baseOf(file), secretOf)
}

async function problemsOf(spec: unknown, options: Parameters<typeof judge>[1] = {}) {
  const managed = await judge(spec, options)
  return managed.kind === 'good' ? [] : managed.problems.map(sayProblem)
}

async function editionOf(spec: unknown, options: Parameters<typeof judge>[1] = {}) {
  const managed = await judge(spec, options)
  if (managed.kind === 'refused') throw new Error(managed.problems.map(sayProblem).join('\n'))
  return managed.edition
}

describe('what a manager says', () => {
  test('is in force instead of what the file says, and only that', async () => {
    const { settings, secrets } = await editionOf({
      domain: 'new.example.com',
      routing: { mode: 'path' },
      oidc: [{ ...idp, clientSecretRef: { name: 'oidc', key: 'secret' }, usernamePrefix: 'idp:' }],
      locked: ['idp:mallory'],
      administrators: { groups: ['idp:admins'] },
      access: { defaultAccessType: 'Public' },
      connections: { 'web-ui': {}, '*-remote': { port: 2222, idle: '60m', max: '12h', minMemory: '8Gi' } },
    })
    const base = await settingsOf({ file: least })
    const [issuer] = settings.oidc
    expect(settings).toEqual({
      ...base,
      domain: 'new.example.com',
      routing: { mode: 'path', workspacesDomain: 'workspaces.new.example.com' },
      oidc: [issuer],
      locked: ['idp:mallory'],
      administrators: { groups: ['idp:admins'], users: [] },
      access: { defaultAccessType: 'Public' },
      connections: [
        { pattern: 'web-ui' },
        { pattern: '*-remote', port: 2222, idle: 3_600_000, max: 43_200_000, minMemory: 8 * 2 ** 30 },
      ],
    })
    expect(issuer).toMatchObject({
      ...idp,
      displayName: 'idp.example.com',
      usernamePrefix: 'idp:',
      scopes: ['openid', 'profile', 'email'],
    })
    expect([...secrets.clientSecrets]).toEqual([[issuer?.id, strong]])
  })

  test('and does not say is as in the file; whoever the file locks stays locked', async () => {
    const file = `${least}locked: [mallory]\nadministrators: {groups: [admins]}\nrouting: {mode: path}\n`
    const { settings } = await editionOf({ domain: 'new.example.com', locked: ['trudy'] }, { file })
    const base = await settingsOf({ file })
    expect(settings.oidc).toEqual(base.oidc)
    expect(settings.administrators).toEqual({ groups: ['admins'], users: [] })
    expect(settings.routing).toEqual({ mode: 'path', workspacesDomain: 'workspaces.new.example.com' })
    expect(settings.locked).toEqual(['mallory', 'trudy'])
  })

  test('is refused with every problem at once, each with its place', async () => {
    const spec = {
      domain: 'New_Example',
      routing: { mode: 'header' },
      oidc: [
        { ...idp, usernamePrefix: 'a:' },
        { issuer: 'http://other.example.com', clientId: 'g', usernamePrefix: 'a:b:', groupsPrefix: 'b:' },
      ],
      connections: { 'web-ui': { port: 0 } },
      administrator: { groups: ['admins'] },
      locked: [''],
    }
    expect((await problemsOf(spec)).map((problem) => problem.split(':')[0])).toEqual([
      'administrator',
      'domain',
      'routing.mode',
      'connections.web-ui.port',
      'locked[0]',
      'oidc[1].issuer',
      'oidc[1].usernamePrefix',
      'oidc[1].groupsPrefix',
    ])
  })

  test.each([
    ['no domain', {}, 'domain: is required'],
    ['nothing', undefined, 'must be a group of keys'],
    ['a list', [], 'must be a group of keys'],
    ['no issuer', { domain: 'a.example.com', oidc: [] }, 'oidc: must name at least one issuer'],
    ['an address', { domain: '10.0.0.1' }, 'domain: must be a lower-case DNS name such as ws.example.com'],
    [
      'a shared origin where there is none',
      { domain: 'a.example.com', routing: { insecureSharedOrigin: true } },
      'routing.insecureSharedOrigin: means something in path mode only',
    ],
    [
      'the port of the system’s own SSH',
      { domain: 'a.example.com', connections: { 'ssh-remote': { port: 22 }, '*-remote': { port: 2222 } } },
      'connections.ssh-remote.port: must not be 22, which is never connected to',
    ],
    [
      'a file as a secret',
      { domain: 'a.example.com', oidc: [{ ...idp, clientSecret: { file: '/etc/shadow' } }] },
      'oidc[0].clientSecret: is not a known key; did you mean clientSecretRef?',
    ],
    [
      'a file of the machine as an authority',
      { domain: 'a.example.com', oidc: [{ ...idp, caFile: '/etc/shadow' }] },
      'oidc[0].caFile: is not a known key',
    ],
  ])('is refused: %s', async (_what, spec, problem) => {
    expect(await problemsOf(spec)).toContain(problem)
  })

  test('of a Secret is refused where it cannot be had, or is none, without telling what it is', async () => {
    const spec = { domain: 'a.example.com', oidc: [{ ...idp, clientSecretRef: { name: 'oidc', key: 'secret' } }] }
    const path = 'oidc[0].clientSecretRef: '
    expect(await problemsOf(spec, { secretOf: () => 'there is no Secret oidc' })).toEqual([
      `${path}there is no Secret oidc`,
    ])
    expect(await problemsOf(spec, { secretOf: () => new Secret('changeme-changeme') })).toEqual([
      `${path}is a placeholder, not a secret`,
    ])
    expect(clientSecretRefsIn(spec)).toEqual([{ name: 'oidc', key: 'secret' }])
  })

  test("lets workspaces share the console's origin by its insecure name alone, and that is among the choices in force", async () => {
    const { settings } = await editionOf({
      domain: 'a.example.com',
      routing: { mode: 'path', insecureSharedOrigin: true },
    })
    expect(settings.routing).toEqual({ mode: 'path', workspacesDomain: 'a.example.com' })
    expect(settings.insecure).toEqual(['routing.insecureSharedOrigin'])
    const { settings: without } = await editionOf({ domain: 'a.example.com', routing: { mode: 'path' } })
    expect(without.insecure).toEqual([])
  })

  test('of an issuer over plain HTTP counts where the file accepts that', async () => {
    const spec = { domain: 'a.example.com', oidc: [{ ...idp, issuer: 'http://idp.example.com' }] }
    expect(await problemsOf(spec)).toEqual([expect.stringContaining('oidc[0].issuer: must be https')])
    expect(await problemsOf(spec, { file: `${least}insecureHttpIssuer: true\n` })).toEqual([])
  })
})

describe('an issuer without an id', () => {
  test('keeps the one it gets while it is the same issuer and client, and gets another with them', async () => {
    const idOf = async (change: object) =>
      (await editionOf({ domain: 'a.example.com', oidc: [{ ...idp, ...change }] })).settings.oidc[0]?.id
    const id = await idOf({})
    expect(id).toMatch(/^oidc-[0-9a-f]{10}$/)
    expect(await idOf({ usernamePrefix: 'x:', clientSecretRef: { name: 'a', key: 'b' } })).toBe(id)
    expect(await idOf({ issuer: 'https://other.example.com' })).not.toBe(id)
    expect(await idOf({ clientId: 'other' })).not.toBe(id)
  })
})

describe('object and file', () => {
  const text = (...values: unknown[]) => fc.constantFrom(...values)
  const issuer = fc.record(
    {
      id: text('a', 'b'),
      issuer: text('https://a.example.com', 'https://b.example.com', 'http://a.example.com', 'ftp://x', undefined),
      clientId: text('one', 'two', ''),
      scopes: text(['openid'], ['profile'], [], ['open id']),
      usernamePrefix: text('', 'a:', 'b:', 'system:x:', null),
      groupsPrefix: text('a:', 'b:', 'ab:'),
      other: text(1),
    },
    { requiredKeys: ['id', 'issuer', 'clientId', 'usernamePrefix', 'groupsPrefix'] },
  )
  const spec = fc.record(
    {
      domain: text('ws.example.com', 'localhost', 'WS.example.com', `${'a.'.repeat(95)}example`, 7),
      routing: text({ mode: 'host' }, { mode: 'path' }, { mode: 'host', insecureSharedOrigin: true }, 'host'),
      oidc: fc.array(issuer, { minLength: 1, maxLength: 3 }),
      locked: text(['mallory'], [], [''], 'mallory'),
      administrators: text({ groups: ['admins'] }, { users: [] }, { group: ['admins'] }, []),
      access: text({ defaultAccessType: 'Public' }, { defaultAccessType: 'public' }, {}),
    },
    { requiredKeys: ['domain', 'oidc'] },
  )

  // Each of the pairs compiles both schemas.
  test('are judged alike, and mean the same', { timeout: 90_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(spec, async (said) => {
        const loaded = await load({ file: JSON.stringify(said) })
        const managed = await judge(JSON.parse(JSON.stringify(said)))
        const faults = (problems: readonly { path: string; message: string }[]) =>
          problems.map(({ path, message }) => `${path} ${message}`).sort()
        if (loaded.kind === 'invalid') {
          expect(managed.kind === 'refused' && faults(managed.problems)).toEqual(faults(loaded.problems))
          return
        }
        if (managed.kind === 'refused') throw new Error(managed.problems.map(sayProblem).join('\n'))
        const named = loaded.settings.oidc.map((one) => ({ ...one, displayName: new URL(one.issuer).host }))
        expect(managed.edition.settings).toEqual({ ...loaded.settings, oidc: named })
      }),
      { numRuns: 60 },
    )
  })
})
