/** OpenSSH on both sides of a tunnel to a pod: its server beside an app, as the user of the pod, and its client on this machine, with keys of a test's own. */
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ContainerConfig } from './echo-container.ts'

const run = promisify(execFile)

export interface PodSshd extends AsyncDisposable {
  /** The app, and the server at the port of SSH beside it. */
  container(app: ContainerConfig): ContainerConfig
  /** Runs a command of a shell there. */
  begin(proxyCommand: string, command: string): SshRun
}

export interface SshRun extends AsyncDisposable {
  /** Something has come out of it. Rejects where it ends before. */
  readonly begun: Promise<void>
  isOpen(): boolean
}

export async function podSshd(): Promise<PodSshd> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-pod-sshd-'))
  const file = (name: string) => join(folder, name)
  for (const name of ['host', 'own']) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(name)])
  const text = async (name: string) => (await readFile(file(name), 'utf8')).trim()
  await writeFile(file('known_hosts'), `workspace ${await text('host.pub')}\n`)
  const script = scriptOf({ host: await text('host'), authorized: await text('own.pub') })
  const client = [
    ...['BatchMode=yes', 'IdentitiesOnly=yes', `IdentityFile=${file('own')}`, 'IdentityAgent=none', 'User=jovyan'],
    ...[`UserKnownHostsFile=${file('known_hosts')}`, 'GlobalKnownHostsFile=none', 'HostKeyAlias=workspace'],
    ...['StrictHostKeyChecking=yes', 'LogLevel=ERROR'],
  ]
  return {
    container: ({ command, args }) => ({
      ...{ command: ['/bin/sh', '-c'], args: [script, 'sh', ...command, ...args] },
    }),
    begin: (proxyCommand, command) =>
      sshRun([...client, `ProxyCommand=${proxyCommand}`].map((option) => `-o${option}`).concat('workspace', command)),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }
}

function sshRun(args: readonly string[]): SshRun {
  const child = spawn('ssh', ['-F', 'none', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (some) => {
    said += some
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const begun = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', () => resolve())
    child.once('error', reject)
    child.once('close', (code) => reject(new Error(`ssh has ended with ${code}: ${said}`)))
  })
  begun.catch(() => undefined)
  return {
    begun,
    isOpen: () => child.exitCode === null && child.signalCode === null,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

function scriptOf({ host, authorized }: { readonly host: string; readonly authorized: string }): string {
  const config = [
    ...['Port 2222', 'HostKey /tmp/sshd/host', 'AuthorizedKeysFile /tmp/sshd/authorized', 'PidFile none', 'UsePAM no'],
    ...['StrictModes no', 'PasswordAuthentication no', 'KbdInteractiveAuthentication no', 'UseDNS no', 'PrintMotd no'],
  ]
  const files = { host, authorized, config: config.join('\n') }
  const write = Object.entries(files).map(([name, content]) => `cat > ${name} <<'END_OF_FILE'\n${content}\nEND_OF_FILE`)
  const server = '/usr/sbin/sshd -D -e -f /tmp/sshd/config &'
  return ['umask 077', 'mkdir /tmp/sshd', 'cd /tmp/sshd', ...write, server, 'exec "$@"'].join('\n')
}
