/** The environment that a workspace's program is started with: nothing of Gatehouse's own gets there but what is named here. */
import type { Endpoint, InstanceUid, Plan } from '#runtime/contract.ts'
import { asksForTcp, resolverOf } from './placeholders.ts'
import { instanceMark } from './process-group.ts'
import { socketPath } from './socket-folder.ts'

/** What of the caller's environment goes on to the workspaces. */
const passedOn = ['PATH', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ'] as const

export interface Place {
  readonly instanceUid: InstanceUid
  /** The workspace's folder. */
  readonly home: string
  /** The instance's folder for its sockets. */
  readonly sockets: string
  /** Name of this machine. */
  readonly node: string
  /** For those ports that {@link tcpPortsOf} names. */
  readonly tcpPorts: ReadonlyMap<number, number>
}

export interface Invocation {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** Ports whose program can't listen on a socket, which it says by asking for `${TCP_PORT_<port>}`. */
export function tcpPortsOf(plan: Plan, argv: readonly string[]): readonly number[] {
  return plan.ports.filter((port) => asksForTcp([...argv, ...Object.values(plan.env)], port))
}

export function endpointsOf(plan: Plan, place: Place): ReadonlyMap<number, Endpoint> {
  const endpointOf = (port: number): Endpoint => {
    const tcp = place.tcpPorts.get(port)
    if (tcp !== undefined) return { kind: 'tcp', host: '127.0.0.1', port: tcp }
    return { kind: 'unix', path: socketPath(place.sockets, port) }
  }
  return new Map(plan.ports.map((port) => [port, endpointOf(port)]))
}

/** Throws `invalid_resource` for variables that can't be resolved. */
export function invocationOf(
  plan: Plan,
  argv: readonly string[],
  place: Place,
  base: Readonly<Record<string, string>>,
): Invocation {
  const fixed = new Map([
    ['HOME', place.home],
    [instanceMark, place.instanceUid],
    ...plan.ports.map((port): [string, string] => [`SOCKET_${port}`, socketPath(place.sockets, port)]),
    ...[...place.tcpPorts].map(([port, tcp]): [string, string] => [`TCP_PORT_${port}`, String(tcp)]),
  ])
  const given = new Map([
    ...passedOn.flatMap((name): [string, string][] => (base[name] === undefined ? [] : [[name, base[name]]])),
    ['TMPDIR', temporaryFolder(place.home)],
    // Programs keep sockets of their own there (VS Code's for its terminals), which need a short path as well.
    ['XDG_RUNTIME_DIR', place.sockets],
    // What a pod learns by the downward API, as far as it is true of a process.
    ['K8S_POD_NAME', plan.ref.name],
    ['K8S_POD_NAMESPACE', plan.ref.namespace],
    ['K8S_POD_ID', place.instanceUid],
    ['K8S_NODE_NAME', place.node],
  ])
  const resolver = resolverOf({ fixed, env: plan.env, base: given })
  const resolved = Object.keys(plan.env).map((name): [string, string] => [name, resolver.valueOf(name) ?? ''])
  const env = new Map([
    ...given,
    ...resolved,
    ['HOME', place.home] as const,
    [instanceMark, place.instanceUid] as const,
  ])
  return { argv: argv.map((argument) => resolver.fill(argument)), env: Object.fromEntries(env) }
}

export function temporaryFolder(home: string): string {
  return `${home}/.tmp`
}
