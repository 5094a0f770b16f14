/**
 * A pod that nothing connects to, behind two replicas of the installed chart: its app and its sshd listen on loopback alone, a NetworkPolicy denies whatever would
 * come in, and the node drops every new connection to it, as a network does that heeds the policy. The agent beside them is the sample.
 */
import { execFile, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { openLink } from '#link/handshake.ts'
import { resumeWindow } from '#resume/frames.ts'
import { paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { kubectl } from '#test/support/cluster.ts'
import { apply } from '#test/support/cluster-api.ts'
import { gatewayImage } from '#test/support/cluster-site/gateway-image.ts'
import { type NodeHand, openNodeHand } from '#test/support/cluster-site/node-hand.ts'
import {
  type ClusterSite,
  openSite,
  openWhenRunning,
  type SiteReplica,
  type SiteWorkspace,
} from '#test/support/cluster-site/site.ts'
import { type ContainerConfig, echoContainer } from '#test/support/echo-container.ts'
import { type PersonMachine, personMachine } from '#test/support/person-command.ts'
import { scanByPython } from '#test/support/port-scan.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { replicaProxy } from '#test/support/replica-proxy.ts'
import { until } from '#test/support/until.ts'

const run = promisify(execFile)
const samples = join(import.meta.dirname, '../../config/samples/agent')
const launcher = join(import.meta.dirname, '../../bin/gatehouse.js')

/** Bytes of what is copied while its replica is killed. */
const copied = 32_000_000

/** The echo app and sshd, for nobody but this pod itself. `key` is let in. */
function onLoopback(key: string): ContainerConfig {
  const { command, args } = echoContainer()
  const options = [
    'ListenAddress=127.0.0.1',
    'Port=2222',
    'HostKey=/tmp/host',
    'AuthorizedKeysFile=/tmp/keys',
    'StrictModes=no',
  ]
  const script = `
    ssh-keygen -q -t ed25519 -N '' -f /tmp/host
    echo '${key}' > /tmp/keys
    /usr/sbin/sshd -D -e -f /dev/null ${options.map((option) => `-o ${option}`).join(' ')} -o PidFile=none -o UsePAM=no &
    exec "$0" "$@"`
  const own = command.map((part) => part.replace("Server(('', port)", "Server(('127.0.0.1', port)"))
  return { command: ['/bin/sh', '-c', script], args: [...own, ...args] }
}

/** Whether a connection to that address and port comes about, from where a gateway is. */
const knocking = `const [host, port] = process.argv.slice(1)
const socket = require('node:net').connect({ host, port }, () => { console.log('open'); process.exit() })
socket.on('error', () => { console.log('shut'); process.exit() })
setTimeout(() => { console.log('dropped'); process.exit() }, 2000)`

describeWith('helm', 'in a cluster', () => {
  describeWith('ssh', 'agents', () => {
    const stack = new AsyncDisposableStack()
    let site: ClusterSite
    let workspace: SiteWorkspace
    let bare: SiteWorkspace
    let alice: ScriptedBrowser
    let machine: PersonMachine
    let hand: NodeHand
    let folder: string
    let pod: string

    beforeAll(async () => {
      await using opened = new AsyncDisposableStack()
      folder = await mkdtemp(join(tmpdir(), 'gatehouse-agents-'))
      opened.defer(() => rm(folder, { recursive: true, force: true }))
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'own')])
      const container = onLoopback((await readFile(join(folder, 'own.pub'), 'utf8')).trim())
      site = opened.use(await openSite({ replicas: 2, hasAgents: true }))
      await applySamples()
      const spec = { accessStrategy: { name: 'gatehouse-agent' }, idleShutdown: (await idleSample()).idleShutdown }
      workspace = await site.workspace('nb', { owner: 'alice', container, spec })
      bare = await site.workspace('bare', { owner: 'alice', container })
      alice = await site.as('alice')
      machine = opened.use(await personMachine())
      await using proxy = await replicaProxy(site.address, site.port)
      const login = [site.origin, '--name', 'site', '--ca-file', site.ca.caFile]
      expect(await machine.login(alice, login, { HTTPS_PROXY: proxy.url })).toMatchObject({ code: 0 })
      hand = await openNodeHand(site.namespace)
      const addresses = await Promise.all([podOf('nb'), podOf('bare')].map(async (of) => (await of).address))
      pod = (await podOf('nb')).name
      for (const address of addresses) opened.use(await hand.close(address))
      stack.use(opened.move())
    }, 240_000)
    afterAll(() => stack.disposeAsync())

    test('[JK25.1] [JK25.2] [JK25.3] a browser, a WebSocket and SSH get to a pod that takes no connection, by either replica', async () => {
      const { address } = await podOf('nb')
      await openWhenRunning(alice, workspace.url)
      const knocks = site.replicas.flatMap((replica) => ['8888', '2222'].map((port) => knock(replica, address, port)))
      expect(await Promise.all(knocks)).toEqual(knocks.map(() => 'dropped'))
      for (const replica of site.replicas) {
        const page = await until(async () => {
          const answer = await site.through(replica, alice).open(workspace.url)
          return answer.status === 200 ? answer : undefined
        })
        expect(JSON.parse(page.body)).toMatchObject({ port: 8888, method: 'GET', url: '/' })
        using socket = await site.socket(alice, workspace.url, replica)
        expect((await socket.ask('through the agent')).toString()).toBe('through the agent')
        expect(await ssh(replica, 'cat /etc/hostname')).toBe(`${pod}\n`)
      }
    }, 120_000)

    test('a scan of all ports of the pod, from within it, finds none at its address; of a replica, those of HTTP and the one of its peers', async () => {
      const [replica] = site.replicas
      const scan = (address = '') =>
        site.kubectl(['exec', pod, '-c', 'workspace', '--', 'python3', '-c', scanByPython, address])
      const own = await scan((await podOf('nb')).address)
      expect([own.trim(), (await scan(replica?.address)).trim()]).toEqual(['', '8443 8802 8804'])
    }, 60_000)

    test('the same pod without the agent is reached by nobody, and its workspace says why', async () => {
      const { address } = await podOf('bare')
      const knocks = site.replicas.map((replica) => knock(replica, address, '8888'))
      expect(await Promise.all(knocks)).toEqual(knocks.map(() => 'dropped'))
      const page = await until(async () => {
        const answer = await alice.open(bare.url)
        return answer.body.includes('its agent is not connected') ? answer : undefined
      })
      expect(page.url.pathname).toContain('/.gatehouse/open/')
    }, 60_000)

    test('[JK25.4] an agent whose token is for another audience, of another pod or namespace, or of no pod, is refused', async () => {
      const audience = site.origin + paths.agent
      const bound = (of: string) => ['--bound-object-kind=Pod', `--bound-object-name=${of}`]
      const right = await tokenOf(site.team, [`--audience=${audience}`, ...bound(pod)])
      const refused = {
        audience: await tokenOf(site.team, [`--audience=${site.origin}${paths.sshHostCertificate}`, ...bound(pod)]),
        "the API server's audience": await tokenOf(site.team, bound(pod)),
        'another namespace': await tokenOf(site.namespace, [`--audience=${audience}`, ...bound('hand')]),
        'no pod': await tokenOf(site.team, [`--audience=${audience}`]),
      }
      for (const replica of site.replicas) {
        for (const [what, token] of Object.entries(refused))
          expect([what, await enter(replica, token)]).toEqual([what, 401])
      }
      const [replica] = site.replicas
      expect(replica && (await enter(replica, right))).toBe(101)
    }, 60_000)

    test('an operator that asks in the pod when the workspace was last active is told so by the agent, with the token of the sample', async () => {
      const { path, port } = (await idleSample()).idleShutdown.detection.httpGet
      const before = Date.now()
      await openWhenRunning(alice, workspace.url)
      const told = await until(async () => {
        // As an operator's `curl` asks, in the container of the app.
        const asked = `import urllib.request as u; print(u.urlopen('http://localhost:${port}/workspaces/x${path}').read().decode())`
        const answer = await site
          .kubectl(['exec', pod, '-c', 'workspace', '--', 'python3', '-c', asked])
          .catch(() => '')
        return answer === '' ? undefined : Date.parse(JSON.parse(answer).lastActiveTimestamp)
      })
      expect(Math.abs(told - before)).toBeLessThan(120_000)
    }, 60_000)

    test('what is copied in by a replica that is killed goes on by another one, and at most the window of it is sent twice', async () => {
      const [first, second] = site.replicas
      const content = randomBytes(copied)
      let at = first
      let sent = 0
      await using proxy = await replicaProxy(
        () => at?.address ?? '',
        site.port,
        (bytes) => {
          sent += bytes
        },
      )
      const copy = spawn('ssh', sshOf(proxy.url, 'sha256sum'), { stdio: 'pipe' })
      const said = Promise.all([text(copy.stdout), text(copy.stderr)])
      const write = async (part: Buffer) => {
        for (let from = 0; from < part.length; from += 100_000)
          if (!copy.stdin.write(part.subarray(from, from + 100_000))) await once(copy.stdin, 'drain')
      }
      await write(content.subarray(0, copied / 2))
      at = second
      await hand.kill(first?.pod ?? '')
      await write(content.subarray(copied / 2))
      copy.stdin.end()
      const [stdout, stderr] = await said
      expect(stdout).toContain(createHash('sha256').update(content).digest('hex'))
      expect(stderr).toContain('it goes on where it was')
      // What SSH, TLS and the frames put around it is far less than a tenth.
      expect(sent).toBeLessThan(copied * 1.1 + resumeWindow)
    }, 120_000)

    /** What it adds to the agent, and what it asks of a workspace. */
    async function idleSample() {
      const text = (await readFile(join(samples, 'idle.yaml'), 'utf8')).replaceAll(
        'https://ws.example.com',
        site.origin,
      )
      const [template, strategy] = parseAllDocuments(text).map((document) => document.toJS())
      const { volumes, additionalContainers } = strategy.spec.deploymentModifications.podModifications
      const args: readonly string[] = additionalContainers[0].args
      return {
        idleShutdown: template.spec.defaultIdleShutdown,
        args: args.slice(args.indexOf('--idle-port')),
        token: volumes[0].projected.sources[0],
      }
    }

    /** The samples with the names of this site. */
    async function applySamples(): Promise<void> {
      const strategy = parse(
        (await readFile(join(samples, 'access-strategy.yaml'), 'utf8')).replaceAll(
          'https://ws.example.com',
          site.origin,
        ),
      )
      const { volumes, additionalContainers } = strategy.spec.deploymentModifications.podModifications
      const [agent] = additionalContainers
      const { args, token } = await idleSample()
      agent.args.push(...args)
      volumes[0].projected.sources.push(token)
      const mount = { name: 'authority', mountPath: '/etc/authority', readOnly: true }
      agent.image = gatewayImage
      // Nobody but this test resolves the name of the site.
      agent.args.push('--connect', `${site.address}:${site.port}`, '--ca-file', `${mount.mountPath}/ca.crt`)
      agent.volumeMounts.push(mount)
      volumes.push({ name: 'authority', configMap: { name: 'authority' } })
      const namespace = site.team
      const policy = parse(await readFile(join(samples, 'networkpolicy.yaml'), 'utf8'))
      await apply(
        {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { namespace, name: 'authority' },
          data: { 'ca.crt': site.caText },
        },
        { ...strategy, metadata: { namespace, name: 'gatehouse-agent' } },
        { ...policy, metadata: { namespace, name: 'workspaces-by-agent' } },
      )
    }

    async function podOf(name: string): Promise<{ readonly name: string; readonly address: string }> {
      const selector = `workspace.jupyter.org/workspace-name=${name}`
      const fields = 'jsonpath={.items[0].metadata.name} {.items[0].status.podIP}'
      return until(async () => {
        const text = await site.kubectl(['get', 'pods', '-l', selector, '-o', fields]).catch(() => '')
        const [found = '', address = ''] = text.trim().split(' ')
        return address === '' ? undefined : { name: found, address }
      })
    }

    function tokenOf(namespace: string, args: readonly string[]): Promise<string> {
      return kubectl(['-n', namespace, 'create', 'token', 'default', ...args])
    }

    async function knock(replica: SiteReplica, address: string, port: string): Promise<string> {
      return (await site.ours(['exec', replica.pod, '--', 'node', '-e', knocking, address, port])).trim()
    }

    /** The status that an agent with this token is answered with. */
    async function enter(replica: SiteReplica, token: string): Promise<number> {
      const connection = connect({
        host: replica.address,
        port: site.port,
        servername: 'ws.example.test',
        ca: site.caText,
      })
      const authority = new URL(site.origin).host
      const opened = await openLink({ connection, authority, path: paths.agent, token })
      if (opened.kind === 'refused') return opened.status
      opened.socket.terminate()
      return 101
    }

    async function ssh(replica: SiteReplica, command: string): Promise<string> {
      await using proxy = await replicaProxy(replica.address, site.port)
      const { stdout } = await run('ssh', sshOf(proxy.url, command))
      return stdout
    }

    function sshOf(proxy: string, command: string): string[] {
      const environment = `HOME=${machine.home} HTTPS_PROXY=${proxy}`
      const set = [
        ...['BatchMode=yes', 'IdentitiesOnly=yes', 'IdentityAgent=none', 'StrictHostKeyChecking=no', 'LogLevel=ERROR'],
        ...[
          'UserKnownHostsFile=/dev/null',
          'GlobalKnownHostsFile=none',
          'User=jovyan',
          `IdentityFile=${join(folder, 'own')}`,
        ],
        `ProxyCommand=env ${environment} ${process.execPath} ${launcher} tunnel ${site.team}/nb`,
      ].map((option) => `-o${option}`)
      return ['-F', 'none', ...set, 'nb', command]
    }
  })
})
