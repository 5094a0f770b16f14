/** Certificates of a gateway at Debian's own sshd, which runs with the sample of the image's contract. */
import { execFile, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { keyRingKind } from '#identity/key-ring-record.ts'
import { deriveAuthority, openSshAuthorities, sshAuthorityName } from '#identity/ssh-authority.ts'
import { systemClock } from '#lib/clock.ts'
import { createLog } from '#observe/log.ts'
import { Secret } from '#settings/secret.ts'
import { type CertificateContent, signCertificate } from '#ssh/certificate.ts'
import { parsePublicKey } from '#ssh/public-key.ts'
import { api, paths } from '#surface/urls.ts'
import { bearerOf } from '#test/support/command-line-login.ts'
import { freePort } from '#test/support/free-port.ts'
import { personMachine } from '#test/support/person-command.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { tokenGiver } from '#test/support/pod-token.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { createWorld, type World } from '#test/support/world.ts'

const run = promisify(execFile)
const sample = join(import.meta.dirname, '../../../config/samples/ssh/sshd_config')
const alias = 'nb.team.localhost.gatehouse'
const nb = { namespace: 'team', name: 'nb' }

async function post(world: World, path: string, headers: Readonly<Record<string, string>>, body: object) {
  const answer = await plainRequest(world.origin + path, {
    method: 'POST',
    headers: { ...headers, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body}`)
  return JSON.parse(answer.body)
}

/** The keys of the authority, oldest first, as whoever may read the Secret could make them. */
async function authoritiesOf(world: World) {
  const record = await world.resources.get(keyRingKind, { namespace: 'gatehouse', name: sshAuthorityName })
  return (record?.spec.keys ?? []).map((key) =>
    deriveAuthority(key.kid, Date.parse(key.createdAt), new Secret(key.secret)),
  )
}

async function startSshd(sshd: string, folder: string) {
  const port = await freePort()
  const config = (await readFile(sample, 'utf8'))
    .replaceAll('/run/gatehouse-ssh', folder)
    .replace('Port 2222', `Port ${port}`)
  const path = join(folder, 'sshd_config')
  await writeFile(path, config)
  const isRoot = process.getuid?.() === 0
  if (isRoot) await mkdir('/run/sshd', { recursive: true, mode: 0o755 })
  const { stdout: effective } = await run(sshd, ['-T', '-f', path])
  expect(effective.split('\n')).toEqual(expect.arrayContaining(['permitrootlogin no', `listenaddress 0.0.0.0:${port}`]))
  // The rest of the network is not to see it here; and where the tests are root's, root is the one user that they can log in as.
  const here = config.replace('ListenAddress 0.0.0.0\nListenAddress ::', 'ListenAddress 127.0.0.1')
  await writeFile(path, isRoot ? here.replace('PermitRootLogin no', 'PermitRootLogin prohibit-password') : here)
  const server = spawn(sshd, ['-D', '-e', '-f', path], { stdio: ['ignore', 'ignore', 'pipe'] })
  const said = { text: '' }
  server.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.text += text
  })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  await expect.poll(() => said.text, { timeout: 20_000 }).toContain('Server listening on 127.0.0.1')
  return {
    port,
    said,
    async [Symbol.asyncDispose]() {
      server.kill('SIGTERM')
      await ended
    },
  }
}

describeWith('sshd', "a gateway's certificates at a real sshd", (sshd) => {
  test('#136 #137 let in by the right one alone, and the host is known by one line, before and after the authority has a new key', {
    timeout: 60_000,
  }, async () => {
    const giver = await tokenGiver()
    await using world = await createWorld({ podTokens: giver.podTokens })
    await using other = await createWorld()
    await world.workspace({ name: 'nb', owner: 'alice' })
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-sshd-'))
    await using stack = new AsyncDisposableStack()
    stack.defer(() => rm(folder, { recursive: true, force: true }))
    const write = (name: string, lines: readonly string[]) =>
      writeFile(join(folder, name), lines.map((line) => `${line}\n`).join(''), { mode: 0o600 })
    const keyIn = async (name: string) => {
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)])
      return readFile(join(folder, `${name}.pub`), 'utf8')
    }

    // The pod: a key, and by its token a certificate for it, which the command beside sshd gets and renews.
    const uid = world.open.workspaces.directory.get(nb)?.instance?.instanceUid ?? ''
    const aud = world.origin + paths.sshHostCertificate
    await write('token', [await giver.tokenOf({ namespace: 'team', uid }, { aud })])
    await using pod = await personMachine()
    const [tokenFile, pidFile] = ['token', 'sshd.pid'].map((name) => join(folder, name))
    const files = ['--folder', folder, '--token-file', `${tokenFile}`, '--pid-file', `${pidFile}`]
    const renewed = () => pod.run(['ssh-host', '--gateway', world.origin, ...files, '--once'])
    expect(await renewed()).toEqual({ code: 0, stdout: '', stderr: '' })
    for (const name of ['host_key', 'host_key-cert.pub', 'user_authorities', 'principals', 'revoked_keys'])
      expect([name, (await stat(join(folder, name))).mode & 0o777]).toEqual([name, 0o600])
    const first = (await run('ssh-keygen', ['-L', '-f', join(folder, 'host_key-cert.pub')])).stdout
    expect(first).toContain(`Principals: \n                ${alias}\n`)
    await using server = await startSshd(sshd, folder)

    // The client: a key, a certificate, and one line that says whom to believe.
    const alice = await bearerOf(world, 'alice')
    const own = await keyIn('own')
    const known = await plainRequest(world.origin + paths.sshKnownHosts)
    expect(known.body.trim().split('\n')).toHaveLength(1)
    await writeFile(join(folder, 'known_hosts'), known.body)
    const given = await post(world, paths.sshCertificate, alice, { publicKey: own, workspaces: [nb] })
    const ssh = async (certificate: string, options: readonly string[] = []) => {
      await write('shown', [certificate])
      const set = [
        ...['BatchMode=yes', 'IdentitiesOnly=yes', 'IdentityAgent=none', 'StrictHostKeyChecking=yes', 'LogLevel=ERROR'],
        ...[`UserKnownHostsFile=${join(folder, 'known_hosts')}`, 'GlobalKnownHostsFile=none', `HostKeyAlias=${alias}`],
        ...[`IdentityFile=${join(folder, 'own')}`, `CertificateFile=${join(folder, 'shown')}`, `Port=${server.port}`],
      ].map((option) => `-o${option}`)
      const args = ['-F', 'none', ...options, ...set, `${userInfo().username}@127.0.0.1`, 'echo', 'ok']
      return run('ssh', args).then(
        ({ stdout }) => stdout.trim(),
        ({ stderr }: { stderr: string }) => stderr.trim(),
      )
    }
    expect(await ssh(given.certificate)).toBe('ok')
    expect(server.said.text).toMatch(/Accepted publickey .* ID user=alice session=[a-z2-7]+ \(serial \d+\)/)

    const [authority] = await authoritiesOf(world)
    const [foreign] = await authoritiesOf(other)
    const parsed = parsePublicKey(own)
    if (!authority || !foreign || parsed.kind !== 'key') throw new Error('there is no key')
    const now = Date.now()
    const right: CertificateContent = {
      ...{ role: 'user', key: parsed.key, serial: 1n, keyId: 'forged', principals: ['ws:team/nb'] },
      ...{ from: now - 60_000, until: now + 60_000, extensions: ['permit-pty'] },
    }
    const people = authority.people.privateKey
    expect(await ssh(signCertificate(right, people))).toBe('ok')
    const denied = expect.stringContaining('Permission denied (publickey)')
    const refused: Readonly<Record<string, string>> = {
      expired: signCertificate({ ...right, from: now - 3_600_000, until: now - 5_000 }, people),
      early: signCertificate({ ...right, from: now + 600_000, until: now + 900_000 }, people),
      'another workspace': signCertificate({ ...right, principals: ['ws:team/other'] }, people),
      'a name of the machine': signCertificate({ ...right, principals: [userInfo().username] }, people),
      "another deployment's": signCertificate(right, foreign.people.privateKey),
      "somebody's own authority": signCertificate(right, generateKeyPairSync('ed25519').privateKey),
      'the key for hosts': signCertificate(right, authority.hosts.privateKey),
      'a certificate of a host': signCertificate({ ...right, role: 'host' }, people),
      'the key alone': own.trim(),
    }
    for (const [what, certificate] of Object.entries(refused)) expect(await ssh(certificate), what).toEqual(denied)

    // Hosts: nobody is believed but by a certificate of this deployment, for this alias.
    const elsewhere = [`-oHostKeyAlias=bobs.team.localhost.gatehouse`]
    expect(await ssh(given.certificate, elsewhere)).toContain('Host key verification failed')
    await writeFile(join(folder, 'others'), (await plainRequest(other.origin + paths.sshKnownHosts)).body)
    const othersAuthority = [`-oUserKnownHostsFile=${join(folder, 'others')}`]
    expect(await ssh(given.certificate, othersAuthority)).toContain('Host key verification failed')

    // A second key of the authority: both count, in both directions, and the first one goes on signing.
    const ending = new AbortController()
    const log = createLog({ level: 'error', clock: systemClock, sink: { write: () => undefined } })
    const shared = {
      resources: world.resources,
      namespace: 'gatehouse',
      clock: systemClock,
      log,
      signal: ending.signal,
    }
    const ring = openSshAuthorities(shared)
    await ring.ready
    await ring.rotateNow()
    ending.abort()
    await expect
      .poll(async () => JSON.parse((await plainRequest(world.origin + paths.sshTrust)).body).knownHosts.length)
      .toBe(2)
    const trust = JSON.parse((await plainRequest(world.origin + paths.sshTrust)).body)
    expect(await renewed()).toMatchObject({ code: 0, stderr: '' })
    expect((await readFile(join(folder, 'user_authorities'), 'utf8')).trim().split('\n')).toEqual(trust.userAuthorities)
    expect((await run('ssh-keygen', ['-L', '-f', join(folder, 'host_key-cert.pub')])).stdout).not.toBe(first)
    // The server was told, and shows the new one.
    await expect
      .poll(() => server.said.text, { timeout: 20_000 })
      .toMatch(/Received SIGHUP; restarting[\s\S]*Server listening on 127\.0\.0\.1/)
    await write('known_hosts', trust.knownHosts)
    const [, second] = await authoritiesOf(world)
    expect(await ssh(signCertificate(right, second?.people.privateKey ?? people))).toBe('ok')
    expect(
      await ssh((await post(world, paths.sshCertificate, alice, { publicKey: own, workspaces: [nb] })).certificate),
    ).toBe('ok')

    // The pod's list counts at once; so does, for further certificates, the end of the session.
    await write('revoked_keys', [own.trim()])
    expect(await ssh(given.certificate)).toEqual(denied)
    const [login] = world.open.identities.sessions.find(({ spec }) => spec.kind === 'cli')
    const ended = await plainRequest(world.origin + api.session(login?.metadata.name ?? ''), {
      method: 'DELETE',
      headers: alice,
    })
    expect(ended.status).toBe(204)
    await expect(post(world, paths.sshCertificate, alice, { publicKey: own, workspaces: [nb] })).rejects.toThrow('401')
  })
})
