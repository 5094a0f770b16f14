import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startDemo } from '#test/support/demo-process.ts'
import { createLaptopSite } from '#test/support/laptop-site.ts'

/** Every address that somebody listens on at one of these TCP ports, from proc_net(5): IPv4 and IPv6 in hexadecimal words of the machine. */
async function listeningAt(ports: readonly number[]): Promise<readonly string[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((table) => readFile(`/proc/net/${table}`, 'utf8')))
  const listening = '0A'
  const rows = tables.flatMap((table) => table.split('\n').slice(1)).map((row) => row.trim().split(/\s+/))
  return rows
    .filter(([, , , state]) => state === listening)
    .flatMap(([, local = '']) => {
      const [address = '', port = ''] = local.split(':')
      return ports.includes(Number.parseInt(port, 16)) ? [`${address}:${Number.parseInt(port, 16)}`] : []
    })
    .sort()
}

const loopbackV4 = '0100007F'
const loopbackV6 = '00000000000000000000000001000000'

test('a start prints one block with all that one needs, and listens on loopback alone', async () => {
  await using site = await createLaptopSite()
  await using demo = await startDemo(site, { isPasswordMade: true })
  const password = (await readFile(join(site.home, 'password'), 'utf8')).trim()
  expect(password).toMatch(/^(?:[a-z0-9]{4}-){3}[a-z0-9]{4}$/)
  expect((await stat(join(site.home, 'password'))).mode & 0o777).toBe(0o600)
  for (const line of [
    `open        ${site.origin}`,
    'people      alice, bob, carol (group admins), dave (group ds)',
    `password    ${password}`,
    `workspaces  ${site.manifests}`,
    `state       ${site.home}`,
    'Workspaces run as your own user and are not isolated from each other here.',
    'Stop with Ctrl-C.',
  ]) {
    expect(demo.printed()).toContain(line)
  }
  const ports = [site.port, site.port + 1, site.port + 2]
  const expected = ports.flatMap((port) => [`${loopbackV4}:${port}`, `${loopbackV6}:${port}`])
  expect(await listeningAt(ports)).toEqual(expected.sort())

  const browser = site.browser()
  await browser.open(`${site.origin}/`)
  const page = await browser.login('alice', password)
  expect([page.status, page.url.href]).toEqual([200, `${site.origin}/`])
})

test('a wider bind needs its flag', async () => {
  await using site = await createLaptopSite({ samples: [] })
  await expect(startDemo(site, { flags: ['--host', '0.0.0.0'] })).rejects.toThrow(/insecure-?wide-?bind/i)
  await using demo = await startDemo(site, { flags: ['--host', '0.0.0.0', '--insecure-wide-bind'] })
  expect(demo.printed()).toContain('insecureWideBind')
  expect(await listeningAt([site.port])).toEqual([`00000000:${site.port}`])
})
