import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startDemo } from '#test/support/demo-process.ts'
import { createLaptopSite } from '#test/support/laptop-site.ts'

interface Listening {
  /** In hexadecimal words of the machine, and a port. */
  readonly address: string
  readonly port: number
  readonly inode: string
}

/** Wherever somebody listens by TCP, from proc_net(5). */
async function listening(): Promise<readonly Listening[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((table) => readFile(`/proc/net/${table}`, 'utf8')))
  const rows = tables.flatMap((table) => table.split('\n').slice(1)).map((row) => row.trim().split(/\s+/))
  return rows.flatMap(([, local = '', , state, , , , , , inode = '']) => {
    const [address = '', port = ''] = local.split(':')
    return state === '0A' ? [{ address, port: Number.parseInt(port, 16), inode }] : []
  })
}

function said(found: readonly Listening[]): readonly string[] {
  return found.map(({ address, port }) => `${address}:${port}`).sort()
}

/** All of a process's own. */
async function listeningBy(pid: number): Promise<readonly string[]> {
  const folder = `/proc/${pid}/fd`
  const links = (await readdir(folder)).map((name) => readlink(join(folder, name)).catch(() => ''))
  const own = new Set((await Promise.all(links)).map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]))
  return said((await listening()).filter(({ inode }) => own.has(inode)))
}

const loopbackV4 = '0100007F'
const loopbackV6 = '00000000000000000000000001000000'

test('a start prints one block with all that one needs, and listens at its three ports of loopback, and nowhere else', async () => {
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
  expect(await listeningBy(demo.pid)).toEqual(expected.sort())

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
  const there = (await listening()).filter(({ port }) => port === site.port)
  expect(said(there)).toEqual([`00000000:${site.port}`])
})
