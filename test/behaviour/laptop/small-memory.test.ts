/** Connections of desktop IDEs need memory: what a person with a workspace that has too little of it gets in the laptop mode, from the gateway and from the command line. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ides } from '#surface/ide-link.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { startWorkspace } from '#test/support/laptop-site.ts'
import { type LaptopWorld, openLaptopWorld } from '#test/support/laptop-world.ts'
import { type PersonMachine, personMachine } from '#test/support/person-command.ts'
import { askTunnel } from '#test/support/tunnel-scene.ts'

const small: WorkspaceRef = { namespace: 'alice', name: 'small' }
const large: WorkspaceRef = { namespace: 'alice', name: 'large' }

/** Greets as a server of SSH does. */
const greeter = `import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
clients = []
while True:
  client, _ = server.accept()
  clients.append(client)
  client.sendall(b"SSH-2.0-test\\r\\n")`

const specOf = (memory: string) => ({
  ports: [
    { name: 'web', port: 8000, path: 'strip' },
    { name: 'ssh', port: 2222 },
  ],
  containerConfig: {
    command: ['sh', '-c'],
    args: [
      `python3 -c '${greeter}' \${TCP_PORT_2222} & exec python3 -m http.server --bind 127.0.0.1 \${TCP_PORT_8000}`,
    ],
  },
  resources: { limits: { memory } },
})

describe('in the laptop mode', () => {
  const stack = new AsyncDisposableStack()
  let world: LaptopWorld
  let alice: ScriptedBrowser
  let machine: PersonMachine
  let bearer: string

  beforeAll(async () => {
    world = stack.use(await openLaptopWorld({ samples: [], env: { GATEHOUSE_INSECURE_DIRECT_SSH: 'true' } }))
    await world.declare(small, { spec: specOf('8191Mi') })
    await world.declare(large, { spec: specOf('8Gi') })
    alice = await world.as('alice')
    machine = stack.use(await personMachine())
    const login = await machine.login(await world.as('alice'), [world.origin, '--name', 'home'])
    expect(login).toMatchObject({ code: 0 })
    bearer = JSON.parse(await readFile(join(machine.configFolder, 'logins', 'home.json'), 'utf8')).secret
    for (const ref of [small, large]) await startWorkspace(world, alice, ref)
  })
  afterAll(() => stack.disposeAsync())

  test('[SP7.4] a tunnel of a remote type to a workspace with less than 8Gi of memory is refused with the reason, by HTTP and by the command line, while its web UI works; with 8Gi it opens', async () => {
    const reason = (type: string) => `It has 7.99 GiB; ${type} needs 8 GiB.`
    const types = [...ides.values()].map(({ connectionType }) => connectionType)
    expect(types).toContain('vscode-remote')
    for (const type of types) {
      const refused = await askTunnel(world, small, { bearer, query: { type } })
      expect(refused).toMatchObject({ kind: 'refused', status: 424, code: 'memory_too_small' })
      expect(refused).toMatchObject({ problem: { detail: reason(type) } })
      using open = await askTunnel(world, large, { bearer, query: { type } }).then((answer) =>
        answer.kind === 'open' ? answer : Promise.reject(new Error(`refused with ${answer.status} ${answer.code}`)),
      )
      await expect.poll(() => open.received().toString()).toBe('SSH-2.0-test\r\n')
    }
    const type = 'vscode-remote'
    const refused = await machine.run(['tunnel', 'small', '--type', type])
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain(`The workspace has too little memory for this. ${reason(type)} (memory_too_small)`)
    await using opened = machine.begin(['tunnel', 'large', '--type', type])
    await expect.poll(() => opened.stdout()).toBe('SSH-2.0-test\r\n')
    for (const ref of [small, large]) {
      const page = await alice.open(world.url(ref))
      expect([page.status, page.url.href, page.body]).toEqual([
        200,
        world.url(ref),
        expect.stringContaining('Directory listing'),
      ])
    }
  })
})
