/** A whole gateway with a workspace whose ports are elsewhere, and a machine that is logged in there: says where, once it is ready. */
import { echoApp } from '#test/support/echo-app.ts'
import { personMachine } from '#test/support/person-command.ts'
import { logIn } from '#test/support/tunnel-scene.ts'
import { createWorld } from '#test/support/world.ts'

const [appPort, sshPort] = process.argv.slice(2).map(Number)
const bounds = { port: undefined, idle: undefined, max: undefined, minMemory: undefined }
const world = await createWorld({
  isForgetful: true,
  settings: (settings) => ({
    ...settings,
    insecure: [...settings.insecure, 'insecureDirectSsh'],
    connections: [{ ...bounds, pattern: '*', maxPerWorkspace: 20_000, maxPerUser: 20_000 }],
  }),
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
const machine = await personMachine()
await machine.login(await world.as('alice'), [world.origin])
const bearer = await logIn(world, 'alice')
process.stdout.write(`${JSON.stringify({ origin: world.origin, port: world.port, bearer, home: machine.home })}\n`)
process.once('SIGTERM', () => void end())

async function end(): Promise<void> {
  await machine[Symbol.asyncDispose]()
  process.exit(0)
}
