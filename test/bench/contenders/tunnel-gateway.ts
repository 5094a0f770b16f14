/**
 * A whole gateway with a workspace whose ports are elsewhere, and a machine that is logged in there: says where, once it is ready. By `https` with a certificate
 * of an authority that this machine alone trusts, by `http` otherwise.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { echoApp } from '#test/support/echo-app.ts'
import { personMachine } from '#test/support/person-command.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import { logIn } from '#test/support/tunnel-scene.ts'
import { createWorld } from '#test/support/world.ts'

const [appPort, sshPort] = process.argv.slice(2, 4).map(Number)
const machine = await personMachine()
const ca = process.argv[4] === 'https' ? createTestCa(join(machine.home, 'ca')) : undefined
const bounds = { port: undefined, idle: undefined, max: undefined, minMemory: undefined }
const world = await createWorld({
  isForgetful: true,
  settings: (settings) => ({
    ...settings,
    insecure: [...settings.insecure, 'insecureDirectSsh'],
    connections: [{ ...bounds, pattern: '*', maxPerWorkspace: 20_000, maxPerUser: 20_000 }],
  }),
  ...(ca
    ? {
        tls: {
          domain: 'localhost',
          ...ca.issue(['localhost', '*.localhost']),
          ca: await readFile(ca.caFile, 'utf8'),
        },
      }
    : {}),
})
const main = await echoApp('nb')
const at = (port = 0) => ({ ...main, endpoint: { kind: 'tcp', host: '127.0.0.1', port } as const, port })
await world.workspace({
  ...{ name: 'nb', owner: 'alice', apps: { 8888: main, 2222: at(sshPort), 9000: at(appPort) } },
  spec: {
    ports: [
      { name: 'lab', port: 8888 },
      { name: 'app', port: 9000 },
    ],
  },
})
await machine.login(await world.as('alice'), [world.origin, ...(ca ? ['--ca-file', ca.caFile] : [])])
// Clients that are no command line have none of its authorities.
const bearer = ca ? '' : await logIn(world, 'alice')
process.stdout.write(`${JSON.stringify({ origin: world.origin, port: world.port, bearer, home: machine.home })}\n`)
process.once('SIGTERM', () => void end())

async function end(): Promise<void> {
  await machine[Symbol.asyncDispose]()
  process.exit(0)
}
