import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { variables } from '#settings/environment.ts'
import { parseFlags } from '#settings/flags.ts'
import { loadSettings } from '#settings/load.ts'
import { least, load, problemsOf, settingsOf } from './settings-world.ts'

describe('settings', () => {
  test('of a gateway need a domain and an issuer, and have a default for everything else', async () => {
    const settings = await settingsOf({ file: least })
    expect(settings).toMatchObject({
      managerName: 'gatehouse',
      domain: 'ws.example.com',
      home: '/home/me/.gatehouse',
      ports: { gateway: 8800, identity: 8801, operations: 8802 },
      external: { scheme: 'https', port: 443 },
      routing: { mode: 'host' },
      trustedProxies: [],
      operations: { hosts: ['127.0.0.1', '::1'], port: 8802 },
      access: { defaultAccessType: 'OwnerOnly' },
      administrators: { groups: [], users: [] },
      sessions: { renewEvery: 3_600_000, horizon: 43_200_000 },
      probe: { period: 2000, timeout: 5000, failures: 30 },
      start: { timeout: 600_000 },
      drain: { grace: 30_000 },
      insecure: [],
    })
    expect(settings.listeners).toEqual([
      { kind: 'plain', host: '127.0.0.1', port: 8800, http2: false, proxyProtocol: { trusted: [] } },
      { kind: 'plain', host: '::1', port: 8800, http2: false, proxyProtocol: { trusted: [] } },
    ])
    expect(settings.oidc).toEqual([
      {
        id: 'main',
        displayName: 'main',
        issuer: 'https://idp.example.com',
        clientId: 'gatehouse',
        scopes: ['openid', 'profile', 'email'],
        usernameClaim: 'preferred_username',
        usernamePrefix: '',
        groupsClaim: 'groups',
        groupsPrefix: '',
        caFile: undefined,
        isHttpAllowed: false,
      },
    ])
  })

  test('of the demo need nothing at all', async () => {
    expect(await settingsOf({ face: 'demo' })).toMatchObject({
      domain: 'localhost',
      external: { scheme: 'http', port: 8800 },
      administrators: { groups: ['admins'] },
      oidc: [],
      demo: { manifests: expect.stringMatching(/\/config\/samples\/demo$/) },
    })
  })

  test('move the three ports together', async () => {
    const settings = await settingsOf({ face: 'demo', env: { GATEHOUSE_PORT: '9100' } })
    expect(settings.ports).toEqual({ gateway: 9100, identity: 9101, operations: 9102 })
    expect(settings.listeners.map((listener) => listener.port)).toEqual([9100, 9100])
    expect(settings.operations.port).toBe(9102)
    expect(settings.external.port).toBe(9100)
  })

  test('read the same from JSON as from YAML', async () => {
    const json = JSON.stringify({
      domain: 'ws.example.com',
      oidc: [{ id: 'main', issuer: 'https://idp.example.com', clientId: 'gatehouse' }],
    })
    expect(await settingsOf({ file: json })).toEqual(await settingsOf({ file: least }))
  })

  test('of the environment win over the file, those of the command line over both', async () => {
    const file = `${least}log: {level: warn}\nmanagerName: from-file\nhome: from-file\n`
    const env = { GATEHOUSE_MANAGER_NAME: 'from-env', GATEHOUSE_HOME: 'from-env' }
    const flags = parseFlags(['--home', 'from-flag'])
    const settings = await settingsOf({ file, env, flags: flags.kind === 'parsed' ? flags.flags : [] })
    expect(settings.log.level).toBe('warn')
    expect(settings.managerName).toBe('from-env')
    expect(settings.home).toBe('/home/me/from-flag')
  })

  test('resolve paths of a file from its folder, of the environment from the working folder', async () => {
    const tls = `listeners: [{kind: tls, port: 443, certificates: [{certFile: tls/a.pem, keyFile: /k/a.key}]}]`
    const files = { '/etc/gatehouse/tls/a.pem': 'x', '/k/a.key': 'x' }
    const settings = await settingsOf({ file: `${least}home: state\n${tls}`, files })
    expect(settings.home).toBe('/etc/gatehouse/state')
    expect(settings.listeners[0]).toMatchObject({
      certificates: [{ certFile: '/etc/gatehouse/tls/a.pem', keyFile: '/k/a.key', serverNames: [] }],
    })
    expect((await settingsOf({ file: least, env: { GATEHOUSE_HOME: 'state' } })).home).toBe('/home/me/state')
  })

  test('put workspaces of path mode on a name of their own', async () => {
    const settings = await settingsOf({ file: `${least}routing: {mode: path}` })
    expect(settings.routing).toEqual({ mode: 'path', workspacesDomain: 'workspaces.ws.example.com' })
  })

  test('refuse everything that is wrong at once, each with its place', async () => {
    const file = `domain: WS.example.com
sesions: {renewEvery: 2h}
external: {scheme: https, port: 0}
routing: {mode: hots}
probe: {period: 2}
trustedProxies: [10.0.0.0/33]
listeners:
  - {kind: tls, port: 8443}
oidc:
  - {id: a, issuer: "ftp://idp", clientId: g}
  - {id: b, clientId: g, scope: [openid]}
`
    const env = { GATEHOUSE_LOG_LEVEL: 'loud', GATEHOUSE_DOMIAN: 'x' }
    expect(await problemsOf({ file, env })).toEqual([
      'GATEHOUSE_DOMIAN: is not a known variable; did you mean GATEHOUSE_DOMAIN?',
      'settings.yaml:2: sesions: is not a known key; did you mean sessions?',
      'settings.yaml:1: domain: must be a lower-case DNS name such as ws.example.com',
      'settings.yaml:3: external.port: must be >= 1',
      'settings.yaml:4: routing.mode: must be one of host, path',
      'settings.yaml:6: trustedProxies[0]: must be an address or a network such as 10.0.0.0/8',
      'settings.yaml:10: oidc[0].issuer: must be an http(s) URL without user, query and fragment',
      'settings.yaml:11: oidc[1].issuer: is required',
      'settings.yaml:11: oidc[1].scope: is not a known key; did you mean scopes?',
      'settings.yaml:5: probe.period: must be a duration above zero such as 30s, 10m or 1h30m',
      'GATEHOUSE_LOG_LEVEL: log.level: must be one of debug, info, warn, error',
      'settings.yaml:8: listeners[0].certificates: is required for tls',
    ])
  })

  test.each([
    ['a: [', 'settings.yaml:1'],
    ['domain: a\ndomain: b', 'settings.yaml:2'],
    ['- a list', 'must be a group of keys'],
    ['just text', 'must be a group of keys'],
    ['domain: &a [*a, *a]', 'aliases may not'],
    ['a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nd: [*c,*c,*c]', 'aliases may not'],
    ['domain: &x a\n__proto__: {polluted: true}', '__proto__: is not a known key'],
    ['constructor: 1', 'constructor: is not a known key'],
  ])('refuse the broken file %j', async (file, said) => {
    expect((await problemsOf({ file, face: 'demo' })).join('\n')).toContain(said)
    expect({}).not.toHaveProperty('polluted')
  })

  test('refuse a file that is not there', async () => {
    const missing = await loadSettings({ face: 'demo', file: 'nowhere.yaml', env: {}, cwd: '/nonexistent' })
    expect(missing).toMatchObject({ kind: 'invalid', problems: [{ source: 'nowhere.yaml' }] })
  })
})

describe('the environment', () => {
  test('has one variable for each key, and no two share one', () => {
    const names = variables().map((variable) => variable.name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toContain('GATEHOUSE_SESSIONS_RENEW_EVERY')
    expect(names).toContain('GATEHOUSE_ROUTING_INSECURE_SHARED_ORIGIN')
    expect(names).toContain('GATEHOUSE_DEMO_PASSWORD_FILE')
  })

  test('gives numbers, flags, lists and objects', async () => {
    const settings = await settingsOf({
      env: {
        GATEHOUSE_DOMAIN: 'ws.example.com',
        GATEHOUSE_PROBE_FAILURES: '7',
        GATEHOUSE_ENVIRONMENT_ALIASES_DATAIKU: 'true',
        GATEHOUSE_ADMINISTRATORS_GROUPS: 'admins, ops',
        GATEHOUSE_LOCKED: '["a,b"]',
        GATEHOUSE_OIDC: '[{"id":"main","issuer":"https://idp.example.com","clientId":"g"}]',
        GATEHOUSE_HOME: '',
      },
    })
    expect(settings).toMatchObject({
      probe: { failures: 7 },
      environmentAliases: { dataiku: true },
      administrators: { groups: ['admins', 'ops'] },
      locked: ['a,b'],
      oidc: [{ id: 'main' }],
      home: '/home/me/.gatehouse',
    })
  })

  test('is not believed where it makes no sense', async () => {
    const env = { GATEHOUSE_PORT: '88x', GATEHOUSE_INSECURE_WIDE_BIND: 'yes', GATEHOUSE_OIDC: '[{' }
    expect(await problemsOf({ face: 'demo', env })).toEqual([
      'GATEHOUSE_PORT: port: must be a whole number',
      'GATEHOUSE_OIDC: oidc: must be a list',
      'GATEHOUSE_INSECURE_WIDE_BIND: insecureWideBind: must be true or false',
    ])
  })

  test('of Kubernetes Services is not for us', async () => {
    const env = {
      GATEHOUSE_PORT: 'tcp://10.96.0.7:443',
      GATEHOUSE_SERVICE_HOST: '10.96.0.7',
      GATEHOUSE_SERVICE_PORT_HTTPS: '443',
      GATEHOUSE_PORT_443_TCP_ADDR: '10.96.0.7',
    }
    const loaded = await load({ face: 'demo', env })
    expect(loaded).toMatchObject({ kind: 'loaded', warnings: [], settings: { ports: { gateway: 8800 } } })
  })

  test('of the manifests and the chart is known, also where nothing of it is needed', async () => {
    const files = ['charts/gatehouse/templates/deployment.yaml', 'config/manager/deployment.yaml']
    const texts = files.map((file) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8'))
    const names = texts.flatMap((text) => [...text.matchAll(/- name: (GATEHOUSE_\w+)/g)].map(([, name = '']) => name))
    expect(names).toContain('GATEHOUSE_POD_IP')
    const env = Object.fromEntries(names.map((name) => [name, '10.42.0.7']))
    expect((await load({ face: 'demo', env })).warnings).toEqual([])
  })

  test('warns of variables that mean nothing', async () => {
    const loaded = await load({ face: 'demo', env: { GATEHOUSE_FAVOURITE_COLOUR: 'blue', GATEHOUSE_CACHE: '/c' } })
    expect(loaded.warnings).toEqual(['GATEHOUSE_FAVOURITE_COLOUR is no setting and has no effect'])
  })
})

describe('flags', () => {
  test('name their settings', async () => {
    const parsed = parseFlags(['--settings', 's.yaml', '--host', '0.0.0.0', '--insecure-wide-bind', '--port=9000'])
    expect(parsed).toMatchObject({ kind: 'parsed', file: 's.yaml' })
    const settings = await settingsOf({ face: 'demo', flags: parsed.kind === 'parsed' ? parsed.flags : [] })
    expect(settings.listeners).toMatchObject([{ host: '0.0.0.0', port: 9000 }])
    expect(settings.insecure).toEqual(['insecureWideBind'])
  })

  test('that are wrong are named in the problem', async () => {
    const parsed = parseFlags(['--port', 'x', '--host', 'localhost'])
    expect(await problemsOf({ face: 'demo', flags: parsed.kind === 'parsed' ? parsed.flags : [] })).toEqual(
      expect.arrayContaining(['--port: port: must be a whole number']),
    )
  })

  test('that nobody knows are refused', () => {
    expect(parseFlags(['--insecure'])).toMatchObject({ kind: 'invalid' })
    expect(parseFlags(['stray'])).toMatchObject({ kind: 'invalid' })
  })
})
