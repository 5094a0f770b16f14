/** The apps that `spec.appType` may name, and how each is started on this machine so that Gatehouse can be in front of it. */
import { join } from 'node:path'

/** What this machine has; found out once at start by whoever composes. */
export interface LocalPrograms {
  /** `venv`: folder of a Python environment with JupyterLab in it. `install`: what is wrong, and what to do about it. */
  readonly jupyter:
    | { readonly kind: 'ready'; readonly venv: string }
    | { readonly kind: 'missing'; readonly install: string }
  /** Path of the command. */
  readonly codeServer: string | undefined
  /** For terminals; `undefined` leaves it to the app. */
  readonly shell: string | undefined
  /** JupyterLab refuses to run as root unless told. */
  readonly isRoot: boolean
}

export interface AppSite {
  /** Number of the main port. */
  readonly port: number
  /** Prefix of its public paths, with a slash at its end; `/` in host mode. */
  readonly publicPath: string
}

/** `argv` and the values of `env` may hold the placeholders of a plan's program. */
export type AppStart =
  | { readonly kind: 'command'; readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> }
  | { readonly kind: 'missing'; readonly name: string; readonly install: string }

export type App = (site: AppSite) => AppStart

/** By the name in `spec.appType`. */
export type AppCatalogue = ReadonlyMap<string, App>

export function catalogueOf(programs: LocalPrograms): AppCatalogue {
  return new Map<string, App>([
    ['jupyterlab', (site) => jupyterLab(site, programs)],
    ['code-editor', (site) => codeEditor(site, programs)],
  ])
}

/** Configuration of JupyterLab's page: the question whether it may fetch news is not asked, since the answer is no. */
const jupyterConfiguration = join(import.meta.dirname, '../../config/jupyter')

/** A placeholder of a plan's program. */
export function placeholder(name: string): string {
  return `\${${name}}`
}

/**
 * Login is Gatehouse's, so its own is off; the socket lets nobody in but Gatehouse. Its check of Origin against Host stays on
 * (Host is passed through), and it asks no server on the internet for news, updates or extensions.
 */
function jupyterLab(site: AppSite, programs: LocalPrograms): AppStart {
  const { jupyter } = programs
  if (jupyter.kind === 'missing') return { kind: 'missing', name: 'JupyterLab', install: jupyter.install }
  const { venv } = jupyter
  const argv = [
    `${venv}/bin/python`,
    '-m',
    'jupyterlab',
    `--ServerApp.sock=${placeholder(`SOCKET_${site.port}`)}`,
    '--ServerApp.sock_mode=0600',
    `--ServerApp.base_url=${site.publicPath}`,
    `--ServerApp.root_dir=${placeholder('HOME')}`,
    '--IdentityProvider.token=',
    '--ServerApp.password=',
    '--ServerApp.allow_remote_access=True',
    '--ServerApp.trust_xheaders=True',
    '--ServerApp.open_browser=False',
    // Its menu would end the server, which would then be started again: stopping is Gatehouse's.
    '--ServerApp.quit_button=False',
    '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate',
    '--LabApp.news_url=None',
    '--LabApp.extension_manager=readonly',
    '--ServerApp.log_level=WARN',
    '--LabApp.log_level=WARN',
  ]
  if (programs.isRoot) argv.push('--ServerApp.allow_root=True')
  const env = {
    // So that a terminal finds the same python and pip as the notebooks.
    PATH: `${venv}/bin:${placeholder('PATH')}`,
    VIRTUAL_ENV: venv,
    JUPYTER_BASE_URL: site.publicPath,
    JUPYTER_CONFIG_PATH: jupyterConfiguration,
    ...shellOf(programs),
  }
  return { kind: 'command', argv, env }
}

/** Its own way to other ports is off: a port has a URL when the workspace declares it. */
function codeEditor(site: AppSite, programs: LocalPrograms): AppStart {
  if (programs.codeServer === undefined) {
    const install =
      'Code Editor needs code-server, which is not on the PATH of Gatehouse. Install it (https://coder.com/docs/code-server/install), then start Gatehouse again.'
    return { kind: 'missing', name: 'code-server', install }
  }
  const argv = [
    programs.codeServer,
    '--auth=none',
    `--socket=${placeholder(`SOCKET_${site.port}`)}`,
    '--socket-mode=600',
    // In the workspace's own folder the path could be too long for a socket.
    `--session-socket=${placeholder('XDG_RUNTIME_DIR')}/code-server.sock`,
    '--disable-telemetry',
    '--disable-update-check',
    '--disable-getting-started-override',
    '--disable-proxy',
    placeholder('HOME'),
  ]
  return { kind: 'command', argv, env: shellOf(programs) }
}

function shellOf(programs: LocalPrograms): Record<string, string> {
  return programs.shell === undefined ? {} : { SHELL: programs.shell }
}
