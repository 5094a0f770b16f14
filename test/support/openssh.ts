/** OpenSSH as Debian has it, on loopback: a server of this user with keys of its own, and what a client needs to be let in. Nobody's own files are read. */
import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './free-port.ts'

const run = promisify(execFile)

export interface OpenSsh extends AsyncDisposable {
  /** Where sshd listens. */
  readonly port: number
  /** For whatever the test makes; goes with it. */
  readonly folder: string
  /** Writes an `ssh_config` for one alias, with a key that is let in, the server's own key, and nothing of this machine's user. Its path. */
  configure(alias: string, proxyCommand: string): Promise<string>
  /** Client programs and `ssh-keygen`, with these arguments; rejects when one fails. */
  run(
    program: 'ssh' | 'scp' | 'rsync',
    args: readonly string[],
  ): Promise<{ readonly stdout: string; readonly stderr: string }>
}

const sshd = '/usr/sbin/sshd'

export async function openSsh(): Promise<OpenSsh> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-ssh-'))
  const port = await freePort()
  const { username: user } = userInfo()
  const key = async (name: string) => {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', join(folder, name)])
    return (await readFile(join(folder, `${name}.pub`), 'utf8')).trim()
  }
  const [host, own] = [await key('host'), await key('own')]
  await writeFile(join(folder, 'authorized_keys'), `${own}\n`)
  await writeFile(join(folder, 'known_hosts'), `workspace ${host}\n`)
  const config = [
    ...[`ListenAddress 127.0.0.1:${port}`, `HostKey ${join(folder, 'host')}`, 'PidFile none', 'UsePAM no'],
    ...[`AuthorizedKeysFile ${join(folder, 'authorized_keys')}`, 'StrictModes no', 'PermitRootLogin yes'],
    ...['PasswordAuthentication no', 'KbdInteractiveAuthentication no', 'Subsystem sftp internal-sftp'],
    ...['AllowTcpForwarding yes', 'MaxStartups 200', 'UseDNS no', 'PrintMotd no'],
  ]
  await writeFile(join(folder, 'sshd_config'), `${config.join('\n')}\n`)
  // Where it looks for its own chroot, unless the package has made it.
  await mkdir('/run/sshd', { recursive: true, mode: 0o755 })
  const server = spawn(sshd, ['-D', '-e', '-f', join(folder, 'sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  server.stderr.on('data', (text) => {
    said += text
  })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  await answers(port, () => (server.exitCode === null ? undefined : said))
  const client = [
    ...['BatchMode=yes', 'IdentitiesOnly=yes', `IdentityFile=${join(folder, 'own')}`, 'IdentityAgent=none'],
    ...[`UserKnownHostsFile=${join(folder, 'known_hosts')}`, 'GlobalKnownHostsFile=none', 'HostKeyAlias=workspace'],
    ...['StrictHostKeyChecking=yes', 'LogLevel=ERROR', `User=${user}`, 'Ciphers=aes128-gcm@openssh.com'],
  ]
  return {
    ...{ port, folder },
    async configure(alias, proxyCommand) {
      const path = join(folder, `${alias}.ssh_config`)
      const lines = [...client.map((option) => option.replace('=', ' ')), `ProxyCommand ${proxyCommand}`]
      await writeFile(path, [`Host ${alias}`, ...lines.map((line) => `  ${line}`), ''].join('\n'))
      return path
    },
    run: (program, args) => run(program, [...args], { maxBuffer: 64 * 1024 * 1024 }),
    async [Symbol.asyncDispose]() {
      server.kill('SIGTERM')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function answers(port: number, failed: () => string | undefined): Promise<void> {
  for (let tried = 0; tried < 200; tried += 1) {
    const why = failed()
    if (why !== undefined) throw new Error(`sshd has ended: ${why}`)
    const isThere = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' })
      socket.once('data', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
    if (isThere) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('sshd does not answer')
}
