/**
 * SSH to a pod, through each of two replicas of the installed chart: a real sshd as docs/ssh-image.md has it, in a pod whose operator has put into it what the
 * sample of an access strategy says, and OpenSSH's client with the command line as ProxyCommand. And how tunnels end there, whatever ends them.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import type { SshCertificateView } from '#surface/ssh-messages.ts'
import { api, paths } from '#surface/urls.ts'
import { callApi, share, withBob } from '#test/behaviour/gateway/scene.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { apply } from '#test/support/cluster-api.ts'
import {
  presentEverywhere,
  revocationBound,
  statusesEverywhere,
  untilEverywhere,
} from '#test/support/cluster-site/everywhere.ts'
import { gatewayImage } from '#test/support/cluster-site/gateway-image.ts'
import { helm } from '#test/support/cluster-site/helm.ts'
import { logOf } from '#test/support/cluster-site/insight.ts'
import {
  type ClusterSite,
  openSite,
  openWhenRunning,
  type SiteReplica,
  type SiteWorkspace,
} from '#test/support/cluster-site/site.ts'
import { echoContainer, shellContainer } from '#test/support/echo-container.ts'
import { type PersonMachine, personMachine } from '#test/support/person-command.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { scanByNode, scanByPython } from '#test/support/port-scan.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { replicaProxy } from '#test/support/replica-proxy.ts'
import { askTunnel, type OpenTunnel } from '#test/support/tunnel-scene.ts'
import { until } from '#test/support/until.ts'

interface Manager {
  readonly metadata: { readonly generation: number }
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string
      readonly status: string
      readonly reason: string
      readonly message: string
      readonly observedGeneration: number
    }[]
  }
}

const run = promisify(execFile)
const samples = join(import.meta.dirname, '../../config/samples/ssh')
const launcher = join(import.meta.dirname, '../../bin/gatehouse.js')

const [, , app] = echoContainer().command
/** As docs/ssh-image.md has it, beside an app. */
const image = `python3 - 8888 >/dev/null 2>&1 <<'APP' &
${app}
APP
cd /run/gatehouse-ssh
trap 'kill "$(cat sshd.pid)"; exit' TERM
until [ -s host_key-cert.pub ]; do sleep 0.2; done
/usr/sbin/sshd -D -e -f /etc/gatehouse-ssh/sshd_config &
while sleep 20 & wait $!; do if [ host_key-cert.pub -nt sshd.pid ]; then kill -HUP "$(cat sshd.pid)"; fi; done`

/** So much at most; it needs little of it. */
const memoryOf = (memory: string) => ({ requests: { memory: '32Mi' }, limits: { memory } })

describeWith('helm', 'in a cluster', () => {
  describeWith('ssh', 'tunnels', () => {
    const stack = new AsyncDisposableStack()
    let site: ClusterSite
    let workspace: SiteWorkspace
    let small: SiteWorkspace
    let browsers: Readonly<Record<'alice' | 'bob', ScriptedBrowser>>
    let bearers: Readonly<Record<'alice' | 'bob', string>>
    let machine: PersonMachine
    let folder: string

    beforeAll(async () => {
      await using opened = new AsyncDisposableStack()
      site = opened.use(await openSite({ replicas: 2, settings: { insecureDirectSsh: true } }))
      await applySamples()
      const spec = { accessStrategy: { name: 'gatehouse-ssh' }, resources: memoryOf('8Gi') }
      workspace = await site.workspace('nb', { owner: 'alice', container: shellContainer(image), spec })
      small = await site.workspace('small', { owner: 'alice', spec: { resources: memoryOf('4Gi') } })
      const [alice, bob] = await Promise.all([site.as('alice'), site.as('bob')])
      browsers = { alice, bob }
      machine = opened.use(await personMachine())
      const his = opened.use(await personMachine())
      bearers = { alice: await logIn(machine, alice), bob: await logIn(his, bob) }
      folder = await mkdtemp(join(tmpdir(), 'gatehouse-tunnels-'))
      opened.defer(() => rm(folder, { recursive: true, force: true }))
      await openWhenRunning(alice, workspace.url)
      // The app is there before sshd, which waits for its certificate.
      const [replica] = bothReplicas()
      close([await opens('alice', replica)])
      stack.use(opened.move())
    }, 180_000)
    afterAll(() => stack.disposeAsync())

    test('SSH goes through either replica, to a pod that is known by its certificate, with one of the person for this workspace alone', async () => {
      for (const replica of site.replicas)
        expect(await ssh(replica, 'id -un; cat /etc/hostname')).toMatch(/^jovyan\nworkspace-nb-/)
    }, 60_000)

    test('[SP7.4] a tunnel of a remote type to a workspace with less than 8Gi of memory is refused with the reason at both replicas, by HTTP and to the command line, while its web UI works; with 8Gi it opens', async () => {
      const reason = 'It has 4 GiB; vscode-remote needs 8 GiB.'
      const query = { type: 'vscode-remote' }
      const { alice } = browsers
      await openWhenRunning(alice, small.url)
      for (const replica of site.replicas) {
        const refused = await ask('alice', replica, small, query)
        expect(refused).toMatchObject({ kind: 'refused', status: 424, code: 'memory_too_small' })
        expect(refused).toMatchObject({ problem: { detail: reason } })
        await using proxy = await replicaProxy(replica.address, site.port)
        const args = ['tunnel', `${site.team}/small`, '--type', query.type]
        const ran = await machine.run(args, { HTTPS_PROXY: proxy.url })
        expect([ran.code, ran.stdout]).toEqual([1, ''])
        expect(ran.stderr).toContain(`${reason} (memory_too_small)`)
        expect((await site.through(replica, alice).open(small.url)).status).toBe(200)
        const opened = await ask('alice', replica, workspace, query)
        if (opened.kind === 'refused') throw new Error(`refused with ${opened.status} ${opened.code}`)
        await greeted(opened)
        close([opened])
      }
    }, 60_000)

    test('ten may be open over both replicas, and the eleventh is refused at each until one is closed', async () => {
      const [here, there] = bothReplicas()
      const all = [here, there].flatMap((replica) => Array.from({ length: 5 }, () => opens('alice', replica)))
      const tunnels = await Promise.all(all)
      for (const tunnel of tunnels) await greeted(tunnel)
      for (const replica of [here, there]) {
        const refused = await ask('alice', replica)
        expect(refused).toMatchObject({ status: 429, code: 'too_many_tunnels', headers: { 'retry-after': '10' } })
      }
      tunnels[0]?.ws.close()
      tunnels.push(await opens('alice', there))
      expect(await ask('alice', here)).toMatchObject({ kind: 'refused', status: 429 })
      close(tunnels)
    }, 60_000)

    test('[JK5.1] a share lets bob in at both replicas within two seconds; when it is taken back, his next requests are refused and his WebSockets and tunnels closed with 1008 within two seconds, and nobody else’s', async () => {
      const replicas = bothReplicas()
      const { alice, bob } = browsers
      expect((await bob.open(workspace.url)).status).toBe(403)
      for (const replica of replicas) expect(await ask('bob', replica)).toMatchObject({ kind: 'refused', status: 403 })
      const { name } = await share(site, alice, workspace.ref, withBob)
      expect(await untilEverywhere(site, bob, workspace.url, { status: 200 })).toBeLessThan(revocationBound)
      using present = await presentEverywhere(site, bob, workspace.url)
      const [his, hers] = [
        await Promise.all(replicas.map((replica) => opens('bob', replica))),
        await Promise.all(replicas.map((replica) => opens('alice', replica))),
      ]
      await Promise.all([...his, ...hers].map(greeted))
      await site.kubectl(['delete', 'workspaceshares.workspace.jupyter.org', name])
      const deleted = performance.now()
      await present.closedWith({ code: 1008, reason: 'access ended' }, deleted)
      for (const { closed } of his) {
        const end = await closed
        expect(end).toMatchObject({ code: 1008, reason: 'access ended' })
        expect(end.at - deleted).toBeLessThan(revocationBound)
      }
      expect(await statusesEverywhere(site, bob, workspace.url)).toEqual([403, 403])
      for (const replica of replicas) expect(await ask('bob', replica)).toMatchObject({ kind: 'refused', status: 403 })
      expect(hers.map(({ ws }) => ws.readyState)).toEqual(hers.map(({ ws }) => ws.OPEN))
      close(hers)
    }, 60_000)

    test('[JK23.3] their logs have one JSON line each for a login, the first allow of a session on a workspace, a refusal, a start, a stop and a tunnel, with who, which workspace, why and how many bytes', async () => {
      const [here, there] = bothReplicas()
      const { ref } = await site.workspace('resting', { owner: 'alice', spec: { desiredStatus: 'Stopped' } })
      const began = new Date()
      const alice = await site.as('alice', here)
      for (const url of [workspace.url, `${workspace.url}again`]) expect((await alice.open(url)).status).toBe(200)
      expect((await site.through(there, browsers.bob).open(workspace.url)).status).toBe(403)
      for (const act of [api.start(ref), api.stop(ref)])
        expect((await callApi(site, browsers.alice, 'POST', act)).status).toBeLessThan(300)
      const tunnel = await opens('alice', there)
      await greeted(tunnel)
      close([tunnel])
      await tunnel.closed

      // Told by the second alone is since when the log is wanted.
      const lines = async () => {
        const all = await Promise.all(site.replicas.map((one) => logOf(site, one.pod, began)))
        return all.flat().filter(({ time }) => Date.parse(String(time)) >= began.getTime())
      }
      const told = async (event: string) => (await lines()).filter((line) => line.event === event)
      const who = { requestId: expect.any(String), client: expect.any(String), session: expect.any(String) }
      const [named, user] = [`${site.team}/nb`, 'alice']
      const stream = { ...who, user, workspace: named, port: 2222, grant: 'owner', kind: 'tunnel' }
      const counted = { bytesIn: expect.any(Number), bytesOut: tunnel.received().length }
      const [opened, ...others] = await told('stream-opened')
      expect([opened, others]).toMatchObject([stream, []])
      const closings = async () => (await told('stream-closed')).filter((one) => one.requestId === opened?.requestId)
      await expect.poll(closings).toMatchObject([{ ...stream, reason: 'closed', ...counted }])
      expect(await told('login')).toMatchObject([{ ...who, user, kind: 'browser' }])
      const [{ session } = {}] = await told('login')
      const allows = (await told('allow')).filter((line) => line.session === session)
      expect(allows).toMatchObject([{ ...who, user, workspace: named, port: 8888, grant: 'owner' }])
      expect(await told('deny')).toMatchObject([{ ...who, user: 'bob', workspace: named, reason: 'no-grant' }])
      for (const event of ['start', 'stop'])
        expect(await told(event)).toMatchObject([
          { ...who, user, workspace: `${site.team}/resting`, reason: expect.any(String) },
        ])
    }, 60_000)

    test('[SP4.3] a scan of all ports of a replica finds those of HTTP, and each of them speaks it', async () => {
      const [replica] = bothReplicas()
      const within = ['exec', await pod(), '-c', 'workspace', '--', 'python3', '-c', scanByPython]
      const found = await site.kubectl([...within, replica.address])
      const ports = found.trim().split(' ').map(Number)
      expect(ports.length).toBeGreaterThan(0)
      for (const port of ports) {
        const speaking = ['http', 'https'].map((scheme) =>
          plainRequest(`${scheme}://ws.example.test:${port}/healthz`, { address: replica.address, ca: site.caText }),
        )
        const answers = await Promise.allSettled(speaking)
        expect([port, answers.some(({ status }) => status === 'fulfilled')]).toEqual([port, true])
      }
    }, 60_000)

    test('a scan of all ports of a workspace, from a replica, finds its app and the one of SSH that tunnels without an agent need', async () => {
      const [replica] = bothReplicas()
      const address = await site.kubectl(['get', 'pod', await pod(), '-o', 'jsonpath={.status.podIP}'])
      const found = await site.ours(['exec', replica.pod, '--', 'node', '-e', scanByNode, address.trim()])
      expect(found.trim()).toBe('2222 8888')
    }, 60_000)

    test('[SP4.4] what the chart has made of it has no Service, Ingress or route at a port of SSH', async () => {
      const text = await helm(['get', 'manifest', site.namespace, '--namespace', site.namespace])
      const objects: { kind: string; spec?: unknown }[] = parseAllDocuments(text).flatMap((one) => one.toJS() ?? [])
      const ways = objects.filter(({ kind }) => /Service$|Ingress|Route|Gateway$/.test(kind))
      expect(ways.map(({ kind }) => kind)).toEqual(['Service'])
      for (const { spec } of ways) expect(JSON.stringify(spec)).not.toMatch(/"[a-zA-Z]*[pP]ort":"?(?:22|2222)\b/)
    })

    test('connections that the manager is given while they run count on both; what is bad is refused in its conditions, and what was in force still is', async () => {
      const [here, there] = bothReplicas()
      const accepted = async () => {
        const { metadata, status } = await site.manager<Manager>()
        const found = status?.conditions?.find(({ type }) => type === 'Accepted')
        return found?.observedGeneration === metadata.generation ? [found.status, found.reason, found.message] : []
      }
      const inForce = ['True', 'InForce', expect.any(String)]
      /** What one more is answered by each. */
      const oneMore = async () => [await tried(here), await tried(there)]
      const tunnels: OpenTunnel[] = []
      /** The same, beside one on each. */
      const third = async () => {
        close(tunnels.splice(0))
        for (const replica of [here, there]) tunnels.push(await opens('alice', replica))
        return oneMore()
      }
      expect(await third()).toEqual(['open', 'open'])
      await site.manage({ connections: { '*-remote': { maxPerWorkspace: 2 } } })
      await expect.poll(accepted).toEqual(inForce)
      await expect.poll(third, { interval: 250 }).toEqual(['too_many_tunnels', 'too_many_tunnels'])

      // It would let a third one in as well.
      await site.manage({ connections: { '*-remote': { port: 22, maxPerWorkspace: 3 } } })
      await expect.poll(accepted).toEqual(['False', 'Invalid', expect.stringContaining('must not be 22')])
      await delay(revocationBound)
      expect(await oneMore()).toEqual(['too_many_tunnels', 'too_many_tunnels'])
      for (const { ws } of tunnels) expect(ws.readyState).toBe(ws.OPEN)

      await site.manage({ connections: { '*-remote': { port: null } } })
      await expect.poll(accepted).toEqual(inForce)
      await expect.poll(oneMore).toEqual(['open', 'open'])
      await site.manage({ connections: { '*-remote': null, 'port-forward': {} } })
      await expect.poll(oneMore).toEqual(['connection_type_not_configured', 'connection_type_not_configured'])
      await site.manage({ connections: null })
      await expect.poll(oneMore).toEqual(['open', 'open'])
      close(tunnels)
    }, 60_000)

    test('they end as what they lead through and to does: 1012 a replica, 1011 the pod, 1001 the workspace', async () => {
      const [leaving, staying] = bothReplicas()
      const [told, kept] = [await opens('alice', leaving), await opens('alice', staying)]
      for (const tunnel of [told, kept]) await greeted(tunnel)
      await site.ours(['delete', 'pod', leaving.pod, '--wait=false'])
      expect(await told.closed).toMatchObject({ code: 1012, reason: 'gateway restarting' })
      expect(kept.ws.readyState).toBe(kept.ws.OPEN)

      const first = await pod()
      await site.kubectl(['delete', 'pod', first, '--wait=false'])
      expect(await kept.closed).toMatchObject({ code: 1011 })
      // The next one has a key of its own, and is known all the same.
      const again = await until(async () => ssh(staying, 'cat /etc/hostname').catch(() => undefined))
      expect(again.trim()).not.toBe(first)

      const last = await opens('alice', staying)
      await site.kubectl(['patch', 'workspace', 'nb', '--type=merge', '-p', '{"spec":{"desiredStatus":"Stopped"}}'], {
        as: 'alice',
      })
      expect(await last.closed).toMatchObject({ code: 1001, reason: 'workspace stopping' })
      expect(await ask('alice', staying)).toMatchObject({ kind: 'refused', status: 424 })
    }, 120_000)

    function close(tunnels: readonly OpenTunnel[]): void {
      for (const { ws } of tunnels) ws.close()
    }

    function pod(): Promise<string> {
      const selector = 'workspace.jupyter.org/workspace-name=nb'
      return site.kubectl(['get', 'pods', '-l', selector, '-o', 'jsonpath={.items[0].metadata.name}'])
    }

    /** The sample with the names of this site, and the files that an image has. */
    async function applySamples(): Promise<void> {
      const text = await readFile(join(samples, 'access-strategy.yaml'), 'utf8')
      const strategy = parse(text.replaceAll('https://ws.example.com', site.origin))
      const { volumes, additionalContainers, primaryContainerModifications } =
        strategy.spec.deploymentModifications.podModifications
      const [helper] = additionalContainers
      const mount = { name: 'files', mountPath: '/etc/gatehouse-ssh', readOnly: true }
      helper.image = gatewayImage
      // Nobody but this test resolves the name of the site.
      helper.args.push('--connect', `${site.address}:${site.port}`, '--ca-file', `${mount.mountPath}/ca.crt`)
      helper.volumeMounts.push(mount)
      primaryContainerModifications.volumeMounts.push(mount)
      volumes.push({ name: 'files', configMap: { name: 'ssh-files' } })
      const config = await readFile(join(samples, 'sshd_config'), 'utf8')
      const data = { sshd_config: config, 'ca.crt': site.caText }
      const namespace = site.team
      await apply(
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name: 'ssh-files' }, data },
        { ...strategy, metadata: { namespace, name: 'gatehouse-ssh' } },
      )
    }

    /** The secret of a command line of theirs. */
    async function logIn(of: PersonMachine, browser: ScriptedBrowser): Promise<string> {
      await using proxy = await replicaProxy(site.address, site.port)
      const args = [site.origin, '--name', 'site', '--ca-file', site.ca.caFile]
      expect(await of.login(browser, args, { HTTPS_PROXY: proxy.url })).toMatchObject({ code: 0 })
      return JSON.parse(await readFile(join(of.configFolder, 'logins', 'site.json'), 'utf8')).secret
    }

    function bothReplicas(): readonly [SiteReplica, SiteReplica] {
      const [one, other] = site.replicas
      if (!one || !other) throw new Error('there are no two replicas')
      return [one, other]
    }

    function ask(person: 'alice' | 'bob', replica: SiteReplica, { ref } = workspace, query = {}) {
      const dial = { host: replica.address, port: site.port, servername: 'ws.example.test', ca: site.caText }
      const ws = { createConnection: () => connect(dial) }
      return askTunnel(site, ref, { bearer: bearers[person], ws, query })
    }

    /** For a moment. */
    async function tried(replica: SiteReplica): Promise<string> {
      const answer = await ask('alice', replica)
      if (answer.kind === 'refused') return answer.code
      close([answer])
      return 'open'
    }

    async function open(person: 'alice' | 'bob', replica: SiteReplica): Promise<OpenTunnel> {
      const answer = await ask(person, replica)
      if (answer.kind === 'open') return answer
      throw new Error(`refused with ${answer.status} ${answer.code}`)
    }

    /** Once this replica has heard that it may. */
    const opens = (person: 'alice' | 'bob', replica: SiteReplica) =>
      until(() => open(person, replica).catch(() => undefined))

    const greeted = (tunnel: OpenTunnel) =>
      until(() => tunnel.received().toString().startsWith('SSH-2.0-') || undefined)

    /** With a certificate that was asked for just now, and one line for whom to believe. */
    async function ssh(replica: SiteReplica, command: string): Promise<string> {
      await using proxy = await replicaProxy(replica.address, site.port)
      const file = (name: string) => join(folder, name)
      await rm(file('own'), { force: true })
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file('own')])
      const reach = { address: replica.address, ca: site.caText }
      const body = JSON.stringify({ publicKey: await readFile(file('own.pub'), 'utf8'), workspaces: [workspace.ref] })
      const headers = { Authorization: `Bearer ${bearers.alice}`, 'Content-Type': 'application/json' }
      const wish = { ...reach, method: 'POST', headers, body }
      const given: SshCertificateView = JSON.parse((await plainRequest(site.origin + paths.sshCertificate, wish)).body)
      await writeFile(file('own-cert.pub'), `${given.certificate}\n`)
      await writeFile(file('known_hosts'), (await plainRequest(site.origin + paths.sshKnownHosts, reach)).body)
      const environment = `HOME=${machine.home} HTTPS_PROXY=${proxy.url}`
      const set = [
        ...['BatchMode=yes', 'IdentitiesOnly=yes', 'IdentityAgent=none', 'StrictHostKeyChecking=yes', 'LogLevel=ERROR'],
        ...[`UserKnownHostsFile=${file('known_hosts')}`, 'GlobalKnownHostsFile=none', 'User=jovyan'],
        ...[`IdentityFile=${file('own')}`, `CertificateFile=${file('own-cert.pub')}`],
        `ProxyCommand=env ${environment} ${process.execPath} ${launcher} tunnel ${site.team}/nb`,
      ].map((option) => `-o${option}`)
      const alias = given.workspaces[0]?.alias ?? ''
      const { stdout } = await run('ssh', ['-F', 'none', ...set, alias, command])
      return stdout
    }
  })
})
