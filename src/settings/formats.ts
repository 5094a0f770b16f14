/** The forms of text that the schema names, each with its check and how it is explained to whoever wrote something else. */
import { isIP } from 'node:net'
import { isDnsLabel, isDnsSubdomain } from '#lib/dns-name.ts'
import { parseDuration } from '#lib/duration.ts'
import { parseNetwork } from '#lib/network.ts'
import { isUserName } from '#lib/user-name.ts'

interface Format {
  readonly isOk: (text: string) => boolean
  readonly meaning: string
}

export const formats: ReadonlyMap<string, Format> = new Map([
  ['duration', { isOk: isPositiveDuration, meaning: 'a duration above zero such as 30s, 10m or 1h30m' }],
  [
    'network',
    { isOk: (text) => parseNetwork(text) !== undefined, meaning: 'an address or a network such as 10.0.0.0/8' },
  ],
  [
    'address',
    { isOk: (text) => isIP(text) !== 0 && !text.includes('%'), meaning: 'an IP address such as 127.0.0.1 or ::1' },
  ],
  ['label', { isOk: isDnsLabel, meaning: 'lower-case letters, digits and hyphens, at most 63' }],
  ['subdomain', { isOk: isHostName, meaning: 'a lower-case DNS name such as ws.example.com' }],
  ['issuer', { isOk: isIssuer, meaning: 'an http(s) URL without user, query and fragment' }],
  ['scope', { isOk: (text) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(text), meaning: 'one OAuth scope, without spaces' }],
  [
    'variable',
    { isOk: (text) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(text), meaning: 'the name of an environment variable' },
  ],
  ['username', { isOk: isUserName, meaning: 'a user of Linux: lower-case letters, digits, hyphens and underscores' }],
  ['path', { isOk: (text) => !text.includes('\0'), meaning: 'a path' }],
])

function isPositiveDuration(text: string): boolean {
  return (parseDuration(text) ?? 0) > 0
}

/** An address in digits is a legal subdomain by its letters, but has no names below it. */
function isHostName(text: string): boolean {
  return isDnsSubdomain(text) && isIP(text) === 0
}

function isIssuer(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return false
  return url.username === '' && url.password === '' && !text.includes('?') && !text.includes('#')
}
