import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseTarget, type Target } from '#gateway/target.ts'
import { parseAuthority } from '#http/authority.ts'
import { parseRequestTarget } from '#http/request-target.ts'
import { makeSite, placeOf, type Site } from '#workspace/address.ts'

const hosts = makeSite({ scheme: 'https', domain: 'ws.example.test', port: 443, mode: 'host' })
const paths = makeSite({ scheme: 'https', domain: 'ws.example.test', port: 443, mode: 'path' })

/** As the gateway does it: raw Host and raw target, or a refusal before the routing is asked. */
function aim(site: Site, host: string, raw: string): Target | 'refused' {
  const authority = parseAuthority(host)
  const target = parseRequestTarget(raw)
  if (!authority || target.kind === 'problem') return 'refused'
  return parseTarget(site, authority, target)
}

const outcome = (target: Target | 'refused') =>
  target === 'refused' ? 400 : target.kind === 'refused' ? target.status : target.kind

describe('host mode', () => {
  const host = 'nb-orswc3i.ws.example.test'

  test('a workspace host leads to its workspace, with the rest byte for byte', () => {
    expect(aim(hosts, host, '/a%2Fb//c%00?x=/y&%zz')).toMatchObject({
      kind: 'workspace',
      place: {
        address: { name: { by: 'ref', ref: { namespace: 'team', name: 'nb' } }, port: undefined },
        rest: 'a%2Fb//c%00',
        query: '?x=/y&%zz',
      },
    })
    expect(aim(hosts, 'nb-orswc3i--8501.ws.example.test', '/')).toMatchObject({ place: { address: { port: 8501 } } })
  })

  test.each([
    ['ws.example.test', 'own'],
    ['WS.Example.TEST', 'own'],
    ['ws.example.test:443', 'own'],
    ['ws.example.test:8443', 421],
    ['xws.example.test', 421],
    ['nb-orswc3i.ws.example.test.evil', 421],
    ['nb-orswc3i.ws.example.evil', 421],
    ['a.nb-orswc3i.ws.example.test', 404],
    ['evil.ws.example.test', 404],
    ['nb-orswc3i--08888.ws.example.test', 404],
    ['ws.example.test.', 400],
    ['', 400],
  ])('host %j is %s', (name, expected) => expect(outcome(aim(hosts, name, '/'))).toBe(expected))

  test('its own few paths are taken from the workspace', () => {
    expect(aim(hosts, host, '/.gatehouse/accept?ticket=x')).toMatchObject({
      kind: 'workspace-own',
      path: '/.gatehouse/accept',
    })
    expect(outcome(aim(hosts, host, '/.gatehousex'))).toBe('workspace')
  })
})

describe('path mode', () => {
  const host = 'workspaces.ws.example.test'

  test('a prefix leads to its workspace, with the rest byte for byte', () => {
    expect(aim(paths, host, '/workspaces/team/nb/lab/..%2f..%2fB?x')).toMatchObject({
      kind: 'workspace',
      place: { scope: { path: '/workspaces/team/nb/' }, rest: 'lab/..%2f..%2fB', query: '?x' },
    })
    expect(aim(paths, host, '/workspaces/team/nb:8501/')).toMatchObject({
      place: { address: { port: 8501 }, scope: { path: '/workspaces/team/nb:8501/' } },
    })
  })

  test('a prefix without its slash moves to the one with it', () => {
    expect(aim(paths, host, '/workspaces/team/nb?a=b')).toEqual({ kind: 'moved', location: '/workspaces/team/nb/?a=b' })
  })

  test.each([
    ['/workspaces/team/nb/../other/lab', 400],
    ['/workspaces/team/nb/%2e%2e/other/lab', 400],
    ['/workspaces/team/nb/.%2E/other/lab', 400],
    ['/workspaces/team/nb/a/../../other/lab', 400],
    ['/workspaces/team/nb/a//../../other/lab', 400],
    ['/workspaces/team/nb/a/../lab', 'workspace'],
    ['/workspaces/team/../nb/', 400],
    ['/workspaces/%2e%2e/team/nb/', 400],
    ['/workspaces/team/nb%2f..%2fother/', 400],
    ['/workspaces/team/al%69ce/', 400],
    ['/workspaces/team/nb%00/', 400],
    ['/workspaces/team/nb%23/', 400],
    ['/workspaces/team/nb;x=1/', 400],
    ['/workspaces\\team\\nb/', 400],
    ['/%77orkspaces/team/nb/', 400],
    ['//workspaces/team/nb/', 400],
    ['/workspaces//team/nb/', 404],
    ['/./workspaces/team/nb/', 400],
    ['/WORKSPACES/team/nb/', 404],
    ['/workspaces/TEAM/nb/', 404],
    ['/workspaces/team/nb:08501/', 404],
    ['/workspaces/team/nb:/', 404],
    ['/workspaces/team', 404],
    ['/', 404],
    ['/?x=/workspaces/team/nb/', 404],
  ])('%s is %s', (raw, expected) => expect(outcome(aim(paths, host, raw))).toBe(expected))

  test('the console is on another host', () => {
    expect(outcome(aim(paths, 'ws.example.test', '/workspaces/team/nb/'))).toBe('own')
    expect(outcome(aim(paths, 'nb-orswc3i.ws.example.test', '/'))).toBe(421)
  })
})

describe('one name for console and workspaces', () => {
  const shared = makeSite({
    scheme: 'https',
    domain: 'ws.example.test',
    port: 443,
    mode: 'path',
    workspacesHost: 'ws.example.test',
  })

  test.each([
    ['/', 'own'],
    ['/.gatehouse/login', 'own'],
    ['/.gatehouse/accept', 'workspace-own'],
    ['/workspaces/team/nb/', 'workspace'],
    ['/workspaces/team', 404],
    ['/workspaces/team/nb/../../../.gatehouse/login', 400],
  ])('%s is %s', (raw, expected) => expect(outcome(aim(shared, 'ws.example.test', raw))).toBe(expected))
})

describe('any target', () => {
  const segment = fc.string({
    unit: fc.constantFrom(...'ab.%2eF/\\:;-?#@08', 'workspaces', 'team', 'nb'),
    maxLength: 12,
  })
  const rawTarget = fc.array(segment, { maxLength: 8 }).map((parts) => `/${parts.join('/')}`)

  test.each([
    ['host', hosts, 'nb-orswc3i.ws.example.test'],
    ['path', paths, 'workspaces.ws.example.test'],
  ] as const)('in %s mode either is refused, or is exactly the place it says plus its rest', (_, site, host) => {
    fc.assert(
      fc.property(rawTarget, (raw) => {
        const target = aim(site, host, raw)
        if (target === 'refused' || target.kind !== 'workspace') return
        const { address, scope, rest, query } = target.place
        expect(scope.path + rest + query).toBe(raw)
        if (address.name.by !== 'ref') return
        expect(placeOf(site, address.name.ref, address.port)).toEqual({ host, prefix: scope.path })
      }),
      { numRuns: 3000 },
    )
  })
})
