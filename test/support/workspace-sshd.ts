/**
 * Debian's sshd as the image's contract has it (docs/ssh-image.md), as what listens at a workspace's port of SSH: with a key and a certificate of its own, of a
 * gateway that knows the pod by its token.
 */
import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { paths } from '#surface/urls.ts'
import { freePort } from './free-port.ts'
import { eventually } from './laptop-site.ts'
import { type PlainAnswer, plainRequest } from './plain-request.ts'
import type { TokenGiver } from './pod-token.ts'
import { type TcpApp, type TunnelScene, tcpApp } from './tunnel-scene.ts'

const run = promisify(execFile)
const sample = join(import.meta.dirname, '../../config/samples/ssh/sshd_config')

export interface WorkspaceSshd extends AsyncDisposable {
  /** For a scene. Leads to the server, once there is one. */
  readonly app: TcpApp
  /** For whatever a test makes there; goes with it. */
  readonly folder: string
  /** The programs that a shell finds there. */
  readonly bin: string
  /** `ca`: PEM of who has signed the gateway's own certificate. */
  start(scene: TunnelScene, giver: TokenGiver, ca: string): Promise<void>
  stop(): Promise<void>
  said(): string
}

export async function workspaceSshd(sshd: string, programs: readonly string[]): Promise<WorkspaceSshd> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-within-'))
  const bin = join(folder, 'bin')
  await mkdir(bin)
  for (const program of programs) await symlink((await run('which', [program])).stdout.trim(), join(bin, program))
  const port = await freePort()
  const app = await tcpApp((socket) => {
    const server = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    server.on('error', () => socket.destroy())
    socket.on('error', () => server.destroy())
    socket.pipe(server).pipe(socket)
  })
  let said = ''
  let stop = async () => {}
  return {
    ...{ app, folder, bin, said: () => said },
    async start({ world, ref }, giver, ca) {
      const write = (name: string, lines: readonly string[]) =>
        writeFile(join(folder, name), lines.map((line) => `${line}\n`).join(''), { mode: 0o600 })
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'host_key')])
      const uid = world.open.workspaces.directory.get(ref)?.instance?.instanceUid ?? ''
      const token = await giver.tokenOf(
        { namespace: ref.namespace, uid },
        { aud: world.origin + paths.sshHostCertificate },
      )
      const answer = await plainRequest(world.origin + paths.sshHostCertificate, {
        ...{
          method: 'POST',
          body: JSON.stringify({ publicKey: await readFile(join(folder, 'host_key.pub'), 'utf8') }),
        },
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        ca,
      })
      const host = certificateIn(answer)
      await write('host_key-cert.pub', [host.certificate])
      await write('user_authorities', host.trust.userAuthorities)
      await write('principals', host.principals)
      await write('revoked_keys', [])
      const isRoot = process.getuid?.() === 0
      if (isRoot) await mkdir('/run/sshd', { recursive: true, mode: 0o755 })
      // The rest of the network is not to see it here; and where the tests are root's, root is the one user that they can log in as.
      const config = (await readFile(sample, 'utf8'))
        .replaceAll('/run/gatehouse-ssh', folder)
        .replace('Port 2222', `Port ${port}`)
        .replace('ListenAddress 0.0.0.0\nListenAddress ::', 'ListenAddress 127.0.0.1')
        .replace('PermitRootLogin no', isRoot ? 'PermitRootLogin prohibit-password' : 'PermitRootLogin no')
      await writeFile(join(folder, 'sshd_config'), `${config}\nSetEnv PATH=${bin} HOME=${folder}\n`)
      const server = spawn(sshd, ['-D', '-e', '-f', join(folder, 'sshd_config')], {
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      server.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
      const ended = new Promise((resolve) => server.once('exit', resolve))
      stop = async () => {
        server.kill('SIGTERM')
        await ended
      }
      await eventually(() => said.includes('Server listening on 127.0.0.1'), 'sshd listens')
    },
    stop: () => stop(),
    async [Symbol.asyncDispose]() {
      await stop()
      await app[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function certificateIn({ status, body }: PlainAnswer) {
  if (status !== 200) throw new Error(`no certificate for a host: ${status} ${body}`)
  return JSON.parse(body)
}
