import { describe, expect, test } from 'vitest'
import { ResponseHeads, type ResponsePolicy } from '#http/response-fields.ts'

const hostMode: ResponsePolicy = {
  publicAuthority: 'nb-abc.ws.example.com:8443',
  hostname: 'nb-abc.ws.example.com',
  publicPrefix: '/',
  upstreamPrefix: '/',
  isOwnCookie: (name) => name === '__Host-gatehouse',
}
const pathMode: ResponsePolicy = {
  ...hostMode,
  publicPrefix: '/workspaces/team/nb/',
  upstreamPrefix: '/workspaces/team/nb/',
}
const stripped: ResponsePolicy = { ...pathMode, upstreamPrefix: '/' }
const heads = new ResponseHeads()

function build(headers: string[], policy = hostMode, { status = 200, isChunked = false } = {}) {
  return heads.build({ status, headers, isChunked }, policy).fields
}

test("an app's fields pass as they were written, in their order, repeated ones too", () => {
  const raw = [
    'Date',
    'x',
    'Content-Encoding',
    'gzip',
    'vary',
    'a',
    'Vary',
    'b',
    'Content-Security-Policy',
    'y',
    'X-Accel-Buffering',
    'no',
  ]
  expect(build([...raw, 'Content-Length', '3'])).toEqual([...raw, 'Content-Length', '3'])
})

test('what belongs to one hop, is nominated, or speaks for the gateway is dropped', () => {
  const raw = [
    'Connection',
    'close, X-Hop',
    'X-Hop',
    '1',
    'Keep-Alive',
    'timeout=5',
    'Transfer-Encoding',
    'chunked',
    'Upgrade',
    'h2c',
  ]
  const more = [
    'Proxy-Authenticate',
    'Basic',
    'X-Gatehouse-Idle',
    '1',
    'Alt-Svc',
    'h3=":443"',
    'X-Accel-Redirect',
    '/etc/passwd',
  ]
  expect(build([...raw, ...more, 'Server', 's'])).toEqual(['Server', 's'])
})

test('a length is not told where there is none, or where chunks tell it; a Trailer only where one can follow', () => {
  const raw = ['Content-Length', '0', 'Trailer', 'X-Sum']
  expect(build(raw, hostMode, { status: 204 })).toEqual([])
  expect(build(raw, hostMode, { status: 304 })).toEqual(['Content-Length', '0'])
  expect(build(raw, hostMode, { isChunked: true })).toEqual(['Trailer', 'X-Sum'])
})

test('cookies of ours and of wider domains are dropped, others narrowed', () => {
  const raw = ['Set-Cookie', '__Host-gatehouse=x', 'set-cookie', 'a=1; Domain=example.com', 'Set-Cookie', 'b=2; Path=/']
  expect(build(raw)).toEqual(['Set-Cookie', 'b=2; Path=/'])
  expect(build(raw, pathMode)).toEqual(['Set-Cookie', 'b=2; Path=/workspaces/team/nb/'])
})

describe('references', () => {
  test.each([
    ['/next?a=/b', '/workspaces/team/nb/next?a=/b'],
    ['/', '/workspaces/team/nb/'],
    ['next', 'next'],
    ['?a', '?a'],
    ['http://nb-abc.ws.example.com:8443/next', '/workspaces/team/nb/next'],
    ['HTTPS://NB-abc.ws.example.com:8443', '/workspaces/team/nb/'],
    ['//nb-abc.ws.example.com:8443/x', '/workspaces/team/nb/x'],
    ['/workspaces/team/nb/lab', '/workspaces/team/nb/lab'],
    ['https://elsewhere.example/next', 'https://elsewhere.example/next'],
    ['https://nb-abc.ws.example.com:8443@evil.example/', 'https://nb-abc.ws.example.com:8443@evil.example/'],
    ['mailto:x@y', 'mailto:x@y'],
  ])('where the prefix is stripped, Location %j becomes %j', (location, expected) => {
    expect(build(['Location', location], stripped, { status: 302 })).toEqual(['Location', expected])
    expect(build(['Location', location], pathMode, { status: 302 })).toEqual(['Location', location])
  })

  test('an app below a fixed path of its own leads back to the root of its host', () => {
    const fixed = { ...hostMode, upstreamPrefix: '/app/' }
    expect(build(['Location', '/app/x'], fixed)).toEqual(['Location', '/x'])
    expect(build(['Location', '/other'], fixed)).toEqual(['Location', '/other'])
  })

  test.each([
    ['5; url=/next', '5; url=/workspaces/team/nb/next'],
    ['0;URL="/next"; x', '0;URL="/workspaces/team/nb/next"; x'],
    ['5, /next', '5, /workspaces/team/nb/next'],
    ['5', '5'],
    ['5; url=https://elsewhere.example/', '5; url=https://elsewhere.example/'],
  ])('Refresh %j becomes %j', (value, expected) => {
    expect(build(['Refresh', value, 'Content-Location', '/x'], stripped)).toEqual([
      ...['Refresh', expected],
      ...['Content-Location', '/workspaces/team/nb/x'],
    ])
  })
})

test.each([
  ['/', '/workspaces/team/nb/'],
  ['/workspaces/team/', '/workspaces/team/nb/'],
  ['/workspaces/team/nb/../', '/workspaces/team/nb/'],
  ['/workspaces/team/nb/%2E./', '/workspaces/team/nb/'],
  ['/workspaces/team/nb/..\\', '/workspaces/team/nb/'],
  ['../', '/workspaces/team/nb/'],
  ['https://nb-abc.ws.example.com:8443/', '/workspaces/team/nb/'],
  ['/workspaces/team/nb/static/', '/workspaces/team/nb/static/'],
])('in path mode a service worker allowed for %j gets %j', (value, expected) => {
  expect(build(['Service-Worker-Allowed', value], pathMode)).toEqual(['Service-Worker-Allowed', expected])
  expect(build(['Service-Worker-Allowed', value], hostMode)).toEqual(['Service-Worker-Allowed', value])
})

test('an app clears neither the cookies of the domain nor, in path mode, the data of its neighbours', () => {
  expect(build(['Clear-Site-Data', '"cookies"'])).toEqual([])
  expect(build(['Clear-Site-Data', '"cache" , "Cookies","storage"'])).toEqual(['Clear-Site-Data', '"cache", "storage"'])
  expect(build(['Clear-Site-Data', '"*"'])).toEqual(['Clear-Site-Data', '"cache", "storage", "executionContexts"'])
  expect(build(['Clear-Site-Data', '"cache"'], pathMode)).toEqual([])
})
