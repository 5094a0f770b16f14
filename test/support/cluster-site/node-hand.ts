/**
 * A hand on the node that pods run on, for what no API call does: a process killed without a word, an address given to the next pod. A
 * privileged pod in the namespace of a test, and gone with it.
 */
import { kubectl } from '../cluster.ts'
import { testImage } from '../echo-container.ts'

export interface NodeHand {
  /** `kill -9` for the gateway of that pod. When, by the node's clock, in milliseconds since 1970. */
  kill(pod: string): Promise<number>
  /**
   * Waits until that address is nobody's, and has the node give it to the next pod. Needs the `host-local` allocation of addresses, which this
   * cluster, kind and k3d have.
   */
  giveNext(address: string): Promise<void>
  /** From here on the node drops every new connection to that address, until disposed. Needs `iptables` on the node. */
  close(address: string): Promise<AsyncDisposable>
}

const killing = `
import os, signal, sys, time
name = ('HOSTNAME=' + sys.argv[1]).encode()
def is_it(pid):
    try:
        with open(f'/proc/{pid}/environ', 'rb') as environ, open(f'/proc/{pid}/cmdline', 'rb') as cmdline:
            return name in environ.read().split(b'\\0') and b'serve' in cmdline.read().split(b'\\0')
    except OSError:
        return False
[pid] = [int(pid) for pid in os.listdir('/proc') if pid.isdigit() and is_it(pid)]
at = time.time()
os.kill(pid, signal.SIGKILL)
print(at * 1000)
`

const giving = `
import fcntl, glob, ipaddress, os, sys, time
address = ipaddress.ip_address(sys.argv[1])
networks = [os.path.dirname(file) for file in glob.glob('/node/var/lib/cni/networks/*/last_reserved_ip.0')]
[network] = [one for one in networks if os.path.exists(f'{one}/{address}')] or networks
end = time.time() + 20
while os.path.exists(f'{network}/{address}'):
    if time.time() > end:
        sys.exit(f'{address} is still taken')
    time.sleep(0.02)
with open(f'{network}/lock') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    with open(f'{network}/last_reserved_ip.0', 'w') as last:
        last.write(str(address - 1))
`

/** @param namespace is where its pod is. */
export async function openNodeHand(namespace: string): Promise<NodeHand> {
  const container = {
    ...{ name: 'hand', image: testImage, imagePullPolicy: 'IfNotPresent', command: ['sleep', 'infinity'] },
    securityContext: { privileged: true, runAsUser: 0 },
    volumeMounts: [{ name: 'node', mountPath: '/node' }],
  }
  const spec = {
    ...{ hostPID: true, hostNetwork: true, containers: [container], terminationGracePeriodSeconds: 0 },
    volumes: [{ name: 'node', hostPath: { path: '/' } }],
  }
  const inNamespace = (args: readonly string[]) => kubectl(['-n', namespace, ...args])
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name: 'hand' }, spec }
  await kubectl(['create', '-f', '-'], { input: [pod] })
  await inNamespace(['wait', '--for=condition=Ready', '--timeout=60s', 'pod/hand'])
  const run = (program: string, argument: string) =>
    inNamespace(['exec', 'hand', '--', 'python3', '-c', program, argument])
  return {
    kill: async (name) => Number(await run(killing, name)),
    giveNext: async (address) => void (await run(giving, address)),
    async close(address) {
      const rule = (command: '-I' | '-D') => {
        const drop = [command, 'FORWARD', '-d', address, '-m', 'conntrack', '--ctstate', 'NEW', '-j', 'DROP']
        return inNamespace(['exec', 'hand', '--', 'chroot', '/node', 'iptables', '-w', ...drop])
      }
      await rule('-I')
      return { [Symbol.asyncDispose]: async () => void (await rule('-D')) }
    },
  }
}
