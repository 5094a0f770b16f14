/** Where things are on systems that are not this one, and which way leads to a gateway. */
import { describe, expect, test } from 'vitest'
import { configFolder } from '#cli/client/config-folder.ts'
import { parseGatewayUrl } from '#cli/client/deployments.ts'
import { proxyFor } from '#cli/client/proxy-choice.ts'
import { browserCommand } from '#cli/person-machine.ts'

describe('the config folder', () => {
  test.each([
    ['linux', {}, '/home/alice', '/home/alice/.config/gatehouse'],
    ['linux', { XDG_CONFIG_HOME: '/cfg' }, '/home/alice', '/cfg/gatehouse'],
    ['linux', { XDG_CONFIG_HOME: 'cfg' }, '/home/alice', '/home/alice/.config/gatehouse'],
    ['linux', { GATEHOUSE_CLI_CONFIG: '/here', XDG_CONFIG_HOME: '/cfg' }, '/home/alice', '/here'],
    ['darwin', { XDG_CONFIG_HOME: '/cfg' }, '/Users/alice', '/Users/alice/Library/Application Support/gatehouse'],
    ['win32', { APPDATA: 'D:\\Roaming' }, 'C:\\Users\\alice', 'D:\\Roaming\\gatehouse'],
    ['win32', {}, 'C:\\Users\\alice', 'C:\\Users\\alice\\AppData\\Roaming\\gatehouse'],
    ['win32', { GATEHOUSE_CLI_CONFIG: '\\\\server\\share' }, 'C:\\Users\\alice', '\\\\server\\share'],
  ])('on %s with %o is below %s', (platform, env, homeFolder, folder) => {
    expect(configFolder({ platform, env, homeFolder })).toBe(folder)
  })
})

test.each([
  ['https://ws.example.com', 'https://ws.example.com'],
  ['ws.example.com', 'https://ws.example.com'],
  ['https://WS.example.com:443/', 'https://ws.example.com'],
  ['http://localhost:8800', 'http://localhost:8800'],
  ['http://[::1]:8800', 'http://[::1]:8800'],
  ['http://ws.example.com', undefined],
  ['http://localhost.example.com', undefined],
  ['http://127.0.0.1.example.com', undefined],
  ['https://alice@ws.example.com', undefined],
  ['https://ws.example.com/path', undefined],
  ['https://ws.example.com/?x', undefined],
  ['file:///etc', undefined],
  ['', undefined],
])('the gateway %j is %j', (text, url) => {
  expect(parseGatewayUrl(text)).toBe(url)
})

describe('the proxy', () => {
  const of = (url: string, env: Record<string, string>) => {
    const proxy = proxyFor(new URL(url), env)
    return proxy && `${proxy.variable} ${proxy.host}:${proxy.port}${proxy.isTls ? ' tls' : ''}`
  }
  const url = 'https://ws.example.com'

  test.each([
    [url, {}, undefined],
    [url, { HTTPS_PROXY: 'http://proxy:3128' }, 'HTTPS_PROXY proxy:3128'],
    [url, { HTTPS_PROXY: 'proxy:3128' }, 'HTTPS_PROXY proxy:3128'],
    [url, { HTTPS_PROXY: 'https://proxy' }, 'HTTPS_PROXY proxy:443 tls'],
    [url, { https_proxy: 'http://lower', HTTPS_PROXY: 'http://upper' }, 'https_proxy lower:80'],
    [url, { HTTP_PROXY: 'http://other:1' }, undefined],
    [url, { ALL_PROXY: 'http://all:1' }, 'ALL_PROXY all:1'],
    [url, { HTTPS_PROXY: '' }, undefined],
    ['http://localhost:8800', { HTTP_PROXY: 'http://p:1', ALL_PROXY: 'http://p:1' }, undefined],
    ['https://127.0.0.1:8443', { HTTPS_PROXY: 'http://p:1' }, undefined],
  ])('to %s with %o is %s', (to, env, proxy) => {
    expect(of(to, env)).toBe(proxy)
  })

  test.each([
    ['*', true],
    ['ws.example.com', true],
    ['example.com', true],
    ['.example.com', true],
    ['*.example.com', true],
    ['EXAMPLE.com', true],
    ['other.test, example.com', true],
    ['example.com:443', true],
    ['example.com:8443', false],
    ['le.com', false],
    ['s.example.com', false],
    ['10.0.0.0/8', false],
    ['', false],
  ])('is passed by where NO_PROXY is %j: %s', (list, isPassed) => {
    expect(of(url, { HTTPS_PROXY: 'http://p:1', NO_PROXY: list }) === undefined).toBe(isPassed)
  })

  test('is passed by for addresses in a range', () => {
    const env = { HTTPS_PROXY: 'http://p:1', no_proxy: '10.0.0.0/8,fd00::/8' }
    expect(['10.1.2.3', '11.1.2.3', '[fd00::1]', '[fe80::1]'].map((host) => of(`https://${host}`, env))).toEqual([
      undefined,
      'HTTPS_PROXY p:1',
      undefined,
      'HTTPS_PROXY p:1',
    ])
  })

  test('that cannot be used is said without its password', () => {
    for (const value of ['socks5://u:secret@p:1', 'http://u:secret@[', 'ftp://u:secret@p'])
      expect(() => of(url, { HTTPS_PROXY: value })).toThrow(/^HTTPS_PROXY names no proxy that can be used$/)
  })
})

test('a browser is started by no shell, and not where nobody would see it', () => {
  const at = 'https://ws.example.com/?a=1&b=$(x)'
  expect(browserCommand(at, { platform: 'linux', env: {} })).toBeUndefined()
  expect(browserCommand(at, { platform: 'linux', env: { DISPLAY: ':0' } })).toEqual(['xdg-open', at])
  expect(browserCommand(at, { platform: 'linux', env: { WAYLAND_DISPLAY: 'w' } })).toEqual(['xdg-open', at])
  expect(browserCommand(at, { platform: 'darwin', env: {} })).toEqual(['open', at])
  expect(browserCommand(at, { platform: 'win32', env: {} })).toEqual(['rundll32', 'url.dll,FileProtocolHandler', at])
  expect(browserCommand(at, { platform: 'darwin', env: { BROWSER: 'firefox' } })).toEqual(['firefox', at])
})
