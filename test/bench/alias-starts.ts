/**
 * What an alias costs before anything is typed, with a certificate that is there already: `ssh ALIAS true` beside the same by ssh alone, and what `Match … exec` runs
 * beside `node -e 0`, in turns. `npm run bench:alias`; `--rounds`.
 */
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { personMachine } from '#test/support/person-command.ts'
import { tokenGiver } from '#test/support/pod-token.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import { tunnelScene } from '#test/support/tunnel-scene.ts'
import { workspaceSshd } from '#test/support/workspace-sshd.ts'
import { bundleCommandLine } from '../../scripts/bundle.ts'
import { figureOf } from './figures.ts'

const run = promisify(execFile)
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } })
const alias = 'nb.team.prod.gatehouse'

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const within = stack.use(await workspaceSshd('/usr/sbin/sshd', ['sh', 'true']))
  const ca = createTestCa(join(within.folder, 'ca'))
  const pem = await readFile(ca.caFile, 'utf8')
  const giver = await tokenGiver()
  const scene = stack.use(
    await tunnelScene({
      ...{ app: within.app, podTokens: giver.podTokens },
      tls: { domain: 'localhost', ...ca.issue(['localhost', '*.localhost']), ca: pem },
      settings: (settings) => ({ ...settings, ssh: { deployment: 'prod', user: userInfo().username } }),
    }),
  )
  await within.start(scene, giver, pem)
  const program = await bundleCommandLine(within.folder)
  const machine = stack.use(await personMachine({ program: [process.execPath, program] }))
  await mkdir(join(machine.home, '.ssh'), { mode: 0o700 })
  const flags = [scene.world.origin, '--name', 'prod', '--ca-file', ca.caFile]
  await machine.login(await scene.world.as('alice'), flags)
  await machine.run(['config-ssh'])
  const config = join(machine.home, '.ssh', 'config')
  const owned = await readFile(join(machine.configFolder, 'ssh', 'ssh_config'), 'utf8')
  const [, command = ''] = / exec "([^"]+)"/.exec(owned) ?? []
  const [first = '', ...rest] = command.split(' ').map((word) => word.replaceAll("'", '').replace('%h', alias))
  const straight = await straightConfig(join(machine.home, 'straight'), machine.configFolder, within.app.port)
  const env = { HOME: machine.home, PATH: '/usr/bin:/bin' }
  // The certificate is there from then on.
  await run('ssh', ['-F', config, alias, 'true'], { env })
  const spans = { node: [] as number[], mint: [] as number[], ssh: [] as number[], alias: [] as number[] }
  for (let round = 0; round < Number(values.rounds); round += 1) {
    spans.node.push(await timed(process.execPath, ['-e', '0'], env))
    spans.mint.push(await timed(first, rest, env))
    spans.ssh.push(await timed('ssh', ['-F', straight, alias, 'true'], env))
    spans.alias.push(await timed('ssh', ['-F', config, alias, 'true'], env))
  }
  const more = (name: 'mint' | 'alias', than: 'node' | 'ssh') =>
    spans[name].map((span, at) => span - (spans[than][at] ?? 0))
  say('node -e 0', spans.node)
  say('Match … exec, over node -e 0', more('mint', 'node'))
  say('ssh alone', spans.ssh)
  say('ssh ALIAS true, over ssh alone', more('alias', 'ssh'))
}

/** The same keys, certificates and trust, and no command of ours. */
async function straightConfig(path: string, configFolder: string, port: number): Promise<string> {
  const keys = join(configFolder, 'ssh', 'prod')
  const lines = [
    ...[`Host ${alias}`, 'HostName 127.0.0.1', `Port ${port}`, `HostKeyAlias ${alias}`],
    ...[`User ${userInfo().username}`, `IdentityFile ${keys}/id_ed25519`, `CertificateFile ${keys}/${alias}-cert.pub`],
    ...['IdentitiesOnly yes', 'PreferredAuthentications publickey', `UserKnownHostsFile ${keys}/known_hosts`],
    ...['StrictHostKeyChecking yes', 'HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com', 'LogLevel ERROR'],
  ]
  await writeFile(path, `${lines.join('\n')}\n`)
  return path
}

/** Milliseconds. */
async function timed(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const began = performance.now()
  await run(program, [...args], { env })
  return performance.now() - began
}

function say(what: string, spans: readonly number[]): void {
  const { median, least, most } = figureOf(spans, 0)
  process.stdout.write(`${what}: ${median} ms (${least} to ${most})\n`)
}

await main()
process.exit(0)
