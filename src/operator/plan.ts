/** What a Workspace asks to be run, as a plan for the runtime. Pure: the same Workspace on the same machine makes the same plan. */
import { createHash } from 'node:crypto'
import type { Plan, Program } from '#runtime/contract.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { portsOf, type Workspace } from '#workspace/workspace.ts'
import { type AppCatalogue, type AppStart, placeholder } from './apps.ts'

export interface PlanSite {
  readonly apps: AppCatalogue
  /** Prefix of a port's public paths, with a slash at its end; `/` in host mode. `port` undefined: the main one. */
  readonly publicPath: (ref: WorkspaceRef, port: number | undefined) => string
  /** Further names of the variables, for apps made for another front door. */
  readonly environmentAliases: { readonly dataiku: boolean }
}

/** In a command of one's own: the command line of the app that `appType` names, quoted for a shell. */
const appCommand = 'WORKSPACE_APP_COMMAND'

/** Variables that say where a workspace is; a workspace that could set them would lie to its own apps. */
const reserved = /^(WORKSPACE_|GATEHOUSE_|DKU_CODE_STUDIO_BROWSER_PATH|HOME$)/

type Chosen = { readonly program: Program; readonly env: Readonly<Record<string, string>> }

export function planOf(workspace: Workspace, ref: WorkspaceRef, site: PlanSite): Plan {
  const ports = portsOf(workspace).map((port) => port.port)
  const { program, env: appEnv } = programOf(workspace, ref, site)
  const own = Object.fromEntries((workspace.spec.env ?? []).map((variable) => [variable.name, variable.value]))
  const env = { ...appEnv, ...own, ...placeEnv(workspace, ref, site) }
  return {
    ref,
    workspaceUid: workspace.metadata.uid,
    fingerprint: fingerprintOf({ program, ports, env: Object.entries(env).sort() }),
    program,
    ports,
    env,
  }
}

function programOf(workspace: Workspace, ref: WorkspaceRef, site: PlanSite): Chosen {
  const refused = workspace.spec.env?.find((variable) => reserved.test(variable.name))
  if (refused) return impossible('InvalidEnvironment', `${refused.name} is set by Gatehouse, and not by spec.env.`)
  const { appType } = workspace.spec
  const app = appType === undefined ? undefined : site.apps.get(appType)
  const [main] = portsOf(workspace)
  const start = app?.({ port: main.port, publicPath: site.publicPath(ref, undefined) })
  const { command = [], args = [] } = workspace.spec.containerConfig ?? {}
  if (command.length > 0 || (args.length > 0 && !start)) return ownCommand([...command, ...args], start)
  if (start?.kind === 'missing') return { program: start, env: {} }
  if (start) return { program: { kind: 'command', argv: [...start.argv, ...args] }, env: start.env }
  const known = [...site.apps.keys()].join(', ')
  return appType === undefined
    ? impossible('NoProgram', `It says neither spec.appType (${known}) nor spec.containerConfig.command.`)
    : impossible(
        'UnknownApp',
        `spec.appType '${appType}' is none of ${known}, and there is no spec.containerConfig.command.`,
      )
}

/** A command of one's own may start the app as well, and has its variables either way. */
function ownCommand(argv: readonly string[], start: AppStart | undefined): Chosen {
  const program: Program = { kind: 'command', argv }
  const asked = argv.some((argument) => argument.includes(placeholder(appCommand)))
  if (start?.kind !== 'command') {
    if (!asked) return { program, env: {} }
    return start
      ? { program: start, env: {} }
      : impossible(
          'UnknownApp',
          `${placeholder(appCommand)} stands for the app that spec.appType names, and it names none.`,
        )
  }
  return { program, env: asked ? { ...start.env, [appCommand]: start.argv.map(quoted).join(' ') } : start.env }
}

function impossible(reason: string, message: string): Chosen {
  return { program: { kind: 'impossible', reason, message }, env: {} }
}

/** Where the workspace is reached, for apps that must know their own address. */
function placeEnv(workspace: Workspace, ref: WorkspaceRef, site: PlanSite): Record<string, string> {
  const env: Record<string, string> = { WORKSPACE_NAME: ref.name, WORKSPACE_NAMESPACE: ref.namespace }
  const say = (suffix: string, path: string) => {
    env[`WORKSPACE_BROWSER_PATH${suffix}`] = path
    if (site.environmentAliases.dataiku) env[`DKU_CODE_STUDIO_BROWSER_PATH${suffix}`] = path
  }
  const [main, ...others] = portsOf(workspace)
  const mainPath = site.publicPath(ref, undefined)
  say('', mainPath)
  say(`_${main.port}`, mainPath)
  for (const { port } of others) say(`_${port}`, site.publicPath(ref, port))
  for (const { port } of [main, ...others]) env[`WORKSPACE_SOCKET_${port}`] = placeholder(`SOCKET_${port}`)
  return env
}

/** For a POSIX shell, which fills in the placeholders itself: a path that has a quote in it then stays one word. */
function quoted(argument: string): string {
  return argument
    .split(placeholders)
    .map((part, index) => (index % 2 === 0 ? `'${part.replaceAll("'", `'\\''`)}'` : `"$${shellName(part)}"`))
    .join('')
}

const placeholders = /\$\{([A-Z0-9_]+)\}/

/** Sockets are no variables of the environment under their plain name. */
function shellName(name: string): string {
  return name.startsWith('SOCKET_') ? `WORKSPACE_${name}` : name
}

function fingerprintOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url')
}
