/** `gatehouse cp`: files between this machine and a workspace, by OpenSSH's `scp`. */
import { commonOptions, readArguments } from '#cli/client/arguments.ts'
import { usageFault } from '#cli/client/cli-fault.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { workspaceOptions } from '#cli/client/workspace-argument.ts'
import { runHere } from '#cli/ssh/program.ts'
import { findTarget } from '#cli/ssh/target.ts'

const options = {
  ...commonOptions,
  ...workspaceOptions,
  recursive: { type: 'boolean', short: 'r', default: false },
  preserve: { type: 'boolean', short: 'p', default: false },
  quiet: { type: 'boolean', short: 'q', default: false },
} as const

export async function cp(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, options)
  const copy = parseCopy(positionals)
  const { config, alias } = await findTarget(io, copy.workspace, values)
  const flags = (['recursive', 'preserve', 'quiet'] as const).flatMap((flag) => (values[flag] ? [`-${flag[0]}`] : []))
  const places = copy.places.map((place) => ('local' in place ? localPath(place.local) : `${alias}:${place.remote}`))
  return runHere('scp', ['-F', config, ...flags, '--', ...places], io)
}

type CopyPlace = { readonly local: string } | { readonly workspace: string; readonly remote: string }

interface Copy {
  readonly workspace: string
  readonly places: readonly CopyPlace[]
}

/** One side of it is this machine, the other one workspace. Throws `usage`. */
export function parseCopy(words: readonly string[]): Copy {
  if (words.length < 2) throw usageFault('name what is copied, and where to: WORKSPACE:PATH, or a path of this machine')
  const places = words.map(parsePlace)
  const sources = places.slice(0, -1)
  const target = places.at(-1)
  const names = new Set(places.flatMap((place) => ('workspace' in place ? [place.workspace] : [])))
  const [workspace, other] = names
  if (workspace === undefined) throw usageFault('one side has to be WORKSPACE:PATH')
  const isMixed = sources.some((source) => 'local' in source === (target !== undefined && 'local' in target))
  if (other !== undefined || isMixed) throw usageFault('one side has to be this machine, and the other one workspace')
  return { workspace, places }
}

/** `C:\…` is of this machine, and so is whatever has a `/` in front of the colon that is not that of NAMESPACE/NAME. */
function parsePlace(word: string): CopyPlace {
  const [, workspace, remote] = /^([a-z0-9][a-z0-9.-]*(?:\/[a-z0-9][a-z0-9.-]*)?):(.*)$/s.exec(word) ?? []
  if (workspace === undefined || remote === undefined || /^[a-z]:[\\/]/i.test(word)) return { local: word }
  return { workspace, remote }
}

/** What scp takes for no other machine. */
function localPath(path: string): string {
  return /^(?:[/.]|[A-Za-z]:[\\/])/.test(path) ? path : `./${path}`
}
