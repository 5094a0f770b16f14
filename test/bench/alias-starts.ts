/**
 * What an alias costs before anything is typed, with a certificate that is there already: `ssh ALIAS true` beside the same by ssh alone, and what `Match … exec` runs
 * beside `node -e 0`, in turns. `npm run bench:alias`; `--rounds`.
 */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { type AliasScene, aliasScene } from '#test/support/alias-scene.ts'
import { figureOf } from './figures.ts'

const run = promisify(execFile)
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } })

async function main(): Promise<void> {
  await using scene = await aliasScene('/usr/sbin/sshd', ['sh', 'true'])
  const { alias, machine, config, env } = scene
  const owned = await readFile(join(machine.configFolder, 'ssh', 'ssh_config'), 'utf8')
  const [, command = ''] = / exec "([^"]+)"/.exec(owned) ?? []
  const [first = '', ...rest] = command.split(' ').map((word) => word.replaceAll("'", '').replace('%h', alias))
  const straight = await straightConfig(join(machine.home, 'straight'), scene)
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
async function straightConfig(path: string, { alias, machine, within }: AliasScene): Promise<string> {
  const { port } = within.app
  const keys = join(machine.configFolder, 'ssh', 'prod')
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
