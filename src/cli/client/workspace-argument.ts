/** Which workspace is meant: `team/nb1`, `nb1 -n team`, or `nb1` alone where only one of those that the person may see is called so. */
import { WorkspaceListSchema, type WorkspaceView } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import { parseWorkspaceRef, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { CliFault, usageFault } from './cli-fault.ts'
import type { Client } from './client.ts'

/** Of every command about one workspace. */
export const workspaceOptions = { namespace: { type: 'string', short: 'n' } } as const

/** What can be said without asking anybody: a full name, or the name alone. Throws `usage`. */
export function parseWorkspaceArgument(
  text: string | undefined,
  namespace: string | undefined,
): WorkspaceRef | { readonly namespace: undefined; readonly name: string } {
  if (text === undefined) throw usageFault('name the workspace')
  const [first = '', second, ...more] = text.split('/')
  const name = second ?? first
  const of = second === undefined ? namespace : first
  if (more.length > 0 || (second !== undefined && namespace !== undefined && namespace !== first))
    throw usageFault(`'${text}' is no name of a workspace; write NAMESPACE/NAME`)
  // A name alone is judged by the same rules, below a namespace that is one.
  const ref = parseWorkspaceRef(of ?? 'any', name)
  if (!ref) throw usageFault(`'${text}' is no name of a workspace; write NAMESPACE/NAME`)
  return of === undefined ? { namespace: undefined, name } : ref
}

/** Throws `not_found` when nothing the person may see is called so, `usage` when several are. */
export async function findWorkspace(
  client: Client,
  text: string | undefined,
  namespace: string | undefined,
): Promise<WorkspaceRef> {
  const parsed = parseWorkspaceArgument(text, namespace)
  if (parsed.namespace !== undefined) return parsed
  const { workspaces } = await client.get(api.workspaces, WorkspaceListSchema)
  const found = workspaces.filter(({ namespace: of, name }) => name === parsed.name && parseWorkspaceRef(of, name))
  const [only, other] = found
  if (only && !other) return { namespace: only.namespace, name: only.name }
  if (only) throw usageFault(`several are called '${parsed.name}': ${found.map(fullName).join(', ')}`)
  throw unknownWorkspace(parsed.name)
}

/** Unknown and forbidden are one and the same. */
export function unknownWorkspace(name: string, requestId?: string): CliFault {
  return new CliFault('not_found', `there is no workspace '${name}', or none that you may see`, {
    requestId,
    hint: 'Those that you may see: "gatehouse list".',
  })
}

/** `ask` about this workspace, with a refusal that says how to find those there are. */
export async function askAbout<T>(ref: WorkspaceRef, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof CliFault && error.code === 'not_found') throw unknownWorkspace(fullName(ref), error.requestId)
    throw error
  }
}

export function fullName({ namespace, name }: Pick<WorkspaceView, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`
}
