/**
 * Targets that a login must never redirect to, put together from parts: a start that a check of starts may not know, before a host that a check of hosts
 * may not know, and an end that whoever tidies a path reads for himself. `evil.test` and 203.0.113.7 are foreign, `console.test` is ours.
 */

const backslash = '\\'

/** What a browser takes for the start of a place. */
const read = [
  ...['https://', 'http://', 'HtTpS://', 'ht\ntps://', 'https:', 'http:', 'https:/', 'https:///'],
  ...[`https:${backslash}${backslash}`, `https:/${backslash}`],
  ...['//', '///', '////', '/////', `/${backslash}`, `${backslash}${backslash}`, `${backslash}/`],
  ...[`/${backslash}/${backslash}`, '/\t/', '/\r\n/', '\t//', ' //', '\u0001//'],
]
/** What a hop that decodes, or that takes something out, may make one of. */
const mended = [
  ...['/%09/', '//%09/', '/%5c', '//%5c', '///%5c', '/%2f', '/%2f%5c%2f', '/%00/', '%2f%2f', '%68%74%74%70%3a%2f%2f'],
  ...['https://%09/', 'https://%5c', '//https://', '//https:///', ':https://', '<>//', '\u3035', '@', ''],
]

const foreignHosts = [
  // The name, in other letters.
  ...['evil.test', 'EVIL.test', 'evil.test.', '.evil.test', 'evil%2etest', '%65%76%69%6c.test', 'evil%00.test'],
  ...['evil\u3002test', 'evil\uff0etest', 'evil%e3%80%82test', 'evil\u00adtest.evil.test'],
  // Ports.
  ...['evil.test:80', 'evil.test:443', 'evil.test:', 'evil.test:80#@console.test', 'evil.test:80?@console.test'],
  // Ours before it, or behind.
  ...['console.test.evil.test', 'console.test%2eevil.test', 'evil.test%23.console.test', 'evil.test%3f.console.test'],
  ...['evil.test%2f%2f.console.test', 'evil.test%5c%5c.console.test', `evil.test${backslash}.console.test`],
  ...['evil.test\tconsole.test', 'evil.test\u0000.console.test'],
  // User information.
  ...['console.test@evil.test', 'console.test:80@evil.test', 'console.test:80%40evil.test', 'console.test+@evil.test'],
  ...['x@console.test@evil.test', 'x>.7@evil.test', ';@evil.test', '@evil.test', `${backslash};@evil.test`],
  ...[`:@evil.test${backslash}@console.test`, 'console.test&@evil.test#+@console.test'],
  // Numbers.
  ...['3405803783', '0xcb007107', '0313.0.0161.07', '00313.0x0.28935', '459.256.369.263', '[::203.0.113.7]'],
  ...['console.test@0xcb.28935', 'console.test@[::ffff:203.0.113.7]'],
]

const ends = ['', '/', '//', '/%2e%2e', '/%2e%2e%2f', '/%2f%2e%2e', '/%2f..']

/** `javascript:` as a page, a script or a hop may write it. */
const code = [
  ...[
    'javascript:',
    'javas\tcript:',
    'javas%0acript:',
    'java%0d%0ascript:',
    '%19java%09script:',
    'javas%26%2399;ript:',
  ],
  ...[
    (letter: string) => `${backslash}x${hexOf(letter, 2)}`,
    (letter: string) => `${backslash}u${hexOf(letter, 4)}`,
    (letter: string) => `${backslash}${letter.charCodeAt(0).toString(8)}`,
    (letter: string) => `&#${letter.charCodeAt(0)};`,
    (letter: string) => `%${hexOf(letter, 2)}`,
    (letter: string) => `${backslash}${letter}`,
  ].map((write) => [...'javascript:'].map(write).join('')),
]
const beforeCode = ['', '//', '/%09/', '/%5c', '//%5c', '<>', '\u0000', '";', 'https:']
const behindCode = ['alert(1)', '//console.test/%0d%0aalert(1);//', 'https://console.test/?x=%0aalert(1)']

function hexOf(letter: string, length: number): string {
  return letter.charCodeAt(0).toString(16).padStart(length, '0')
}

/** `every`: of the table of all starts and hosts one in so many, by its diagonals; each start and each host is among them. */
export function composedRedirects({ every = 1 } = {}): readonly string[] {
  const places = [...read, ...mended].flatMap((start, row) =>
    foreignHosts.map((host, column) => [row + column, `${start}${host}`] as const),
  )
  const scripts = beforeCode.flatMap((before, row) =>
    code.map((spelt, column) => {
      const at = row + column
      return [at, `${before}${spelt}${behindCode[at % behindCode.length]}`] as const
    }),
  )
  const all = [...places.map(([at, place]) => [at, `${place}${ends[at % ends.length]}`] as const), ...scripts]
  return [...new Set(all.flatMap(([at, target]) => (at % every === 0 ? [target] : [])))]
}

/** Paths of our own that name somebody else's place, for whoever decodes or tidies what he redirects to: they lead there as they stand, and nowhere else. */
export const lookAlikes: readonly string[] = [
  ...[
    '/https://evil.test',
    '/https://evil.test//',
    '/http:evil.test',
    '/https:/%5cevil.test/',
    '/https://%09/evil.test',
  ],
  ...['/https:///console.test@evil.test/%2f%2e%2e', '/http://%65%76%69%6c.test', '/%68%74%74%70%3a%2f%2fevil.test'],
  ...['/evil.test/%2f%2e%2e', '/x/%2f%2fevil.test', '/x//evil.test', '/x/%5cevil.test', '/x%09/evil.test'],
  ...['/;@evil.test', '/@evil.test', '/.evil.test', '/%252f%252fevil.test', '/%255cevil.test', '/%2509/evil.test'],
  ...['/javascript:alert(1)', '/x:1/:///%01javascript:alert(1)/', '/%6aavascript:alert(1)'],
  ...[
    '/?url=//evil.test&next=//evil.test&redirect_uri=https://evil.test',
    '/redirect?to=/%5cevil.test&rd=%2f%2fevil.test',
  ],
]
