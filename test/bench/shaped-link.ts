/**
 * Two networks and a link between them that is shaped to so much each way, as `ip netns`, a pair of `veth` and `tc` make them. What is at 127.0.0.1 for the server
 * is there for the client too, over the link: a gateway and an SSH server on loopback need not know of it.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface ShapedLink extends AsyncDisposable {
  /** Before a program and its arguments: then it is there. */
  readonly atServer: readonly string[]
  readonly atClient: readonly string[]
}

export type Shaping =
  | { readonly kind: 'shaped'; readonly link: ShapedLink }
  | { readonly kind: 'missing'; readonly why: string }

type Step = readonly [string, ...string[]]

/** `rate`: as `tc` has it, `1gbit`. Needs root, `ip netns` and `tc` (the package iproute2), and a kernel with veth and the token bucket filter. */
export async function shapedLink(rate: string): Promise<Shaping> {
  const [client, server] = [`gatehouse-client-${process.pid}`, `gatehouse-server-${process.pid}`]
  const remove = async () => {
    for (const name of [client, server]) await run('ip', ['netns', 'delete', name]).catch(() => undefined)
  }
  try {
    for (const [program, ...args] of steps(client, server, rate)) await run(program, args)
  } catch (error) {
    await remove()
    return { kind: 'missing', why: error instanceof Error ? error.message.trim() : String(error) }
  }
  const within = (name: string) => ['ip', 'netns', 'exec', name]
  return {
    kind: 'shaped',
    link: { atServer: within(server), atClient: within(client), [Symbol.asyncDispose]: remove },
  }
}

/** Those for benchmarks (RFC 2544). */
const [serverAddress, clientAddress] = ['198.18.0.1', '198.18.0.2']

function steps(client: string, server: string, rate: string): readonly Step[] {
  const device = 'shaped'
  const allow = (name: string, key: string, value: number): Step => {
    const file = `/proc/sys/net/ipv4/conf/${key}`
    return ['ip', 'netns', 'exec', name, 'sh', '-c', `echo ${value} > ${file}`]
  }
  const atEach = ([name, address]: readonly [string, string]): readonly Step[] => [
    ['ip', '-n', name, 'addr', 'add', `${address}/30`, 'dev', device],
    ['ip', '-n', name, 'link', 'set', device, 'up'],
    allow(name, `${device}/route_localnet`, 1),
    allow(name, `${device}/rp_filter`, 0),
    allow(name, 'all/rp_filter', 0),
    // A burst holds what the card would be given at once, and what waits is what a switch would hold.
    [
      ...(['tc', '-n', name, 'qdisc', 'add', 'dev', device, 'root'] as const),
      ...['tbf', 'rate', rate, 'burst', '256kb', 'latency', '10ms'],
    ],
  ]
  return [
    ['ip', 'netns', 'add', server],
    ['ip', 'netns', 'add', client],
    ['ip', '-n', server, 'link', 'add', device, 'type', 'veth', 'peer', 'name', device, 'netns', client],
    ['ip', '-n', server, 'link', 'set', 'lo', 'up'],
    ...atEach([server, serverAddress]),
    ...atEach([client, clientAddress]),
    // The client has no loopback of its own: to it that address is one like any other.
    ['ip', '-n', client, 'route', 'add', '127.0.0.1/32', 'via', serverAddress, 'dev', device, 'src', clientAddress],
  ]
}
