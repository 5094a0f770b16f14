/** A whole gateway with a workspace that is reached through its agent, which somebody else starts: says where, with which token, and who may come in. Its port of SSH is elsewhere. */
import type { Socket } from 'node:net'
import { agentScene } from '#test/support/agent-scene.ts'
import { logIn, type TcpApp } from '#test/support/tunnel-scene.ts'

const [sshPort] = process.argv.slice(2).map(Number)
const ssh: TcpApp = {
  ...{ port: sshPort ?? 0, connections: new Set<Socket>(), accepted: () => 0, bytes: () => 0 },
  [Symbol.asyncDispose]: async () => undefined,
}
const scene = await agentScene({ ssh, isForgetful: true })
const { world, app } = scene
const told = { origin: world.origin, port: world.port, ports: `${app.port},${ssh.port}`, token: await scene.token() }
process.stdout.write(`${JSON.stringify({ ...told, bearer: await logIn(world, 'alice') })}\n`)
process.once('SIGTERM', () => void end())

async function end(): Promise<void> {
  await scene[Symbol.asyncDispose]()
  process.exit(0)
}
