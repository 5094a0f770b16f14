/**
 * `gatehouse logs`: what a workspace writes. The gateway tells its last lines to those who may start and stop it. Following it, and the run before, are
 * read by the person's own `kubectl` with the person's own rights: the gateway's account is lent to nobody for that.
 */

import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { commonOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { CliFault, usageFault } from '#cli/client/cli-fault.ts'
import { openClient } from '#cli/client/client.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { askAbout, findWorkspace, parseWorkspaceArgument, workspaceOptions } from '#cli/client/workspace-argument.ts'
import { printable } from '#observe/printable.ts'
import { LogLinesSchema } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import { longestLine, runKubectl } from './kubectl.ts'

const options = {
  ...commonOptions,
  ...workspaceOptions,
  follow: { type: 'boolean', short: 'f', default: false },
  previous: { type: 'boolean', short: 'p', default: false },
  tail: { type: 'string' },
} as const

export async function logs(args: readonly string[], io: PersonIo, help: string): Promise<number> {
  const { values, positionals } = readArguments(args, options)
  if (args.length === 0) {
    io.stdout.write(help)
    return 0
  }
  takePositionals(positionals, { least: 1, names: ['workspace'] })
  const [name] = positionals
  const flags = kubectlFlags(values)
  return flags ? viaKubectl(name, values.namespace, flags, io) : lastLines(name, values, io)
}

/** `undefined`: the last lines will do. Throws `usage`. */
function kubectlFlags({
  follow,
  previous,
  tail,
}: {
  follow: boolean
  previous: boolean
  tail?: string
}): readonly string[] | undefined {
  if (tail !== undefined && !/^\d{1,9}$/.test(tail)) throw usageFault(`--tail is a number of lines, not '${tail}'`)
  if (follow && previous) throw usageFault('the run before writes nothing more: -f or -p')
  if (!follow && !previous && tail === undefined) return undefined
  return [...(follow ? ['--follow'] : []), ...(previous ? ['--previous'] : []), `--tail=${tail ?? '-1'}`]
}

async function lastLines(
  name: string | undefined,
  { deployment, namespace }: { deployment?: string; namespace?: string },
  io: PersonIo,
): Promise<number> {
  const client = await openClient(io, deployment)
  const ref = await findWorkspace(client, name, namespace)
  const { lines } = await askAbout(ref, () => client.get(api.logs(ref), LogLinesSchema))
  for (const line of lines) io.stdout.write(`${printable(line, longestLine)}\n`)
  return 0
}

/** Without a namespace it is that of kubectl's context, as for kubectl itself. */
async function viaKubectl(
  text: string | undefined,
  of: string | undefined,
  flags: readonly string[],
  io: PersonIo,
): Promise<number> {
  const { namespace, name } = parseWorkspaceArgument(text, of)
  const place = namespace === undefined ? [] : [`--namespace=${namespace}`]
  const pod = await podOf(name, place, io)
  const { output } = io.pipe()
  return runKubectl(['logs', ...place, ...flags, pod], io, (line) => show(line, output, io.signal))
}

/** Resolves once there is room for the next: a log can come faster than it is read. */
async function show(line: string, output: Writable, signal: AbortSignal): Promise<void> {
  if (!output.write(`${printable(line, longestLine)}\n`)) await once(output, 'drain', { signal })
}

/** The youngest of its pods, as `pod/NAME`. */
async function podOf(name: string, place: readonly string[], io: PersonIo): Promise<string> {
  const selector = `--selector=workspace.jupyter.org/workspace-name=${name}`
  let pod = ''
  const question = ['get', 'pods', ...place, selector, '--sort-by=.metadata.creationTimestamp', '--output=name']
  const code = await runKubectl(question, io, (line) => {
    pod = line
  })
  if (code !== 0) throw new CliFault('kubectl_failed', 'kubectl may not, or can not, look for its pod')
  if (pod.startsWith('pod/')) return pod
  throw new CliFault('not_found', `no workspace '${name}' runs there`, {
    hint: `Those there are: "gatehouse list", or "kubectl get workspaces${place.map((flag) => ` ${flag}`).join('')}".`,
  })
}
