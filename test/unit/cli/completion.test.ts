/** What is offered to somebody who types a command: names of the gateway that he has named there, however his shell cuts what he types. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PersonIo } from '#cli/client/person-io.ts'
import { personMain } from '#cli/person.ts'
import { systemClock } from '#lib/clock.ts'

const stack = new AsyncDisposableStack()
let home: string

/** A gateway that knows one workspace. Its address. */
async function gatewayOf(name: string): Promise<string> {
  const url = 'https://ws.example.test/'
  const view = {
    ...{ namespace: 'team', name, displayName: '', owner: 'alice', mine: true, grant: 'owner' },
    ...{ state: 'Running', reason: 'Ready', message: '', steps: [], url, ports: [] },
    can: { open: true, start: true, stop: true, share: true, logs: true },
  }
  const server = createServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ workspaces: [view] }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stack.defer(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo // It listens on TCP.
  return `http://127.0.0.1:${port}`
}

beforeAll(async () => {
  home = stack.adopt(await mkdtemp(join(tmpdir(), 'gh-completion-')), (path) => rm(path, { recursive: true }))
  await mkdir(join(home, 'logins'))
  const later = new Date(Date.now() + 3_600_000).toISOString()
  const deployments: Record<string, { readonly url: string }> = {}
  for (const name of ['prod', 'staging']) {
    const url = await gatewayOf(`of-${name}`)
    deployments[name] = { url }
    const login = { secret: 'gatehouse_x', username: 'alice', session: 's', url }
    const times = { renewAt: later, expiresAt: later, notAfter: later }
    await writeFile(join(home, `logins/${name}.json`), JSON.stringify({ ...login, ...times }), { mode: 0o600 })
  }
  await writeFile(join(home, 'config.json'), JSON.stringify({ version: 1, current: 'prod', deployments }))
})
afterAll(() => stack.disposeAsync())

async function offered(typed: readonly string[]): Promise<readonly string[]> {
  let said = ''
  const io: PersonIo = {
    stdout: { write: (text) => (said += text) },
    stderr: { write: (text) => (said += text) },
    env: { GATEHOUSE_CLI_CONFIG: home },
    ...{ platform: 'linux', homeFolder: home, machine: 'm', clock: systemClock },
    program: () => ['/usr/bin/node', '/opt/gatehouse.cjs'],
    cwd: () => home,
    signal: new AbortController().signal,
    readLine: async () => undefined,
    openBrowser: async () => false,
    pipe: () => {
      throw new Error('nothing is piped here')
    },
  }
  expect(await personMain(['completion', 'words', '--', ...typed], io)).toBe(0)
  return said.split('\n').filter((word) => word !== '')
}

test.each([
  [['start', ''], 'team/of-prod'],
  [['start', '-d', 'staging', ''], 'team/of-staging'],
  [['start', '--deployment', 'staging', ''], 'team/of-staging'],
  [['start', '--deployment=staging', ''], 'team/of-staging'],
  [['start', '--deployment=prod', '--no-wait', '--deployment=staging', 'te'], 'team/of-staging'],
  // As bash cuts it.
  [['start', '--deployment', '=', 'staging', ''], 'team/of-staging'],
])('%j is offered the workspace of the gateway that it names: %s', async (typed, name) => {
  expect(await offered(typed)).toEqual([name])
})

test.each([
  [
    ['start', '--deployment='],
    ['--deployment=prod', '--deployment=staging'],
  ],
  [['start', '--deployment=st'], ['--deployment=staging']],
  [['share', 'nb', '--access=m'], ['--access=modify']],
  // The shell has the flag as a word of its own, which stays.
  [
    ['start', '--deployment', '='],
    ['prod', 'staging'],
  ],
  [['start', '--deployment', '=', 'st'], ['staging']],
])('%j is offered the values of its flag, as its shell puts them in: %j', async (typed, values) => {
  expect(await offered(typed)).toEqual(values)
})
