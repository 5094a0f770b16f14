/** Every URL of Gatehouse's own, in one table; links, routes, pages and tests are built from it. */
import type { WorkspaceRef } from './workspace-ref.ts'

/** The first path segment that belongs to Gatehouse on every host. */
export const ownPrefix = '/.gatehouse/'

/** Paths on `<domain>`, and those two that workspace hosts answer too. */
export const paths = {
  console: '/',
  assets: '/.gatehouse/assets/',
  whoami: '/.gatehouse/whoami',
  /** The list of workspaces alone, for the console to refresh. */
  workspaceList: '/.gatehouse/workspaces',
  /** Ends one of the visitor's sessions, named in the posted form. */
  sessionEnd: '/.gatehouse/sessions/end',
  login: '/.gatehouse/login',
  callback: '/.gatehouse/callback',
  logout: '/.gatehouse/logout',
  loggedOut: '/.gatehouse/logged-out',
  backchannelLogout: '/.gatehouse/backchannel-logout',
  jwks: '/.gatehouse/jwks.json',
  /** Where a workspace host sends a browser that it doesn't know; answers with a ticket for that host. */
  handover: '/.gatehouse/handover',
  /** On workspace hosts only: turns a ticket into that host's cookie. */
  accept: '/.gatehouse/accept',
  /** On workspace hosts only, and in path mode below a workspace's prefix: read-only status of that workspace. */
  status: '/.gatehouse/status',
  /** WebSockets alone: bytes to a port of a workspace. */
  tunnel: '/.gatehouse/tunnel',
  /** WebSockets of agents alone; its whole URL is the audience of their tokens. */
  agent: '/.gatehouse/agent',
  /**
   * When a workspace was last active, for an operator of somebody else's that stops it by that. In the pod the agent answers it; it asks at this path of the
   * gateway, whose whole URL is the audience of its token.
   */
  lastActive: '/.gatehouse/last-active',
  cliAuthorize: '/.gatehouse/cli/authorize',
  cliToken: '/.gatehouse/cli/token',
  /** The command line itself, as one file. */
  cliFile: '/.gatehouse/cli',
  /** Shows a person the code that a command line without a browser asks for. */
  cliCode: '/.gatehouse/cli/code',
  /** A command line lengthens its session; in its own name alone. */
  cliRenew: '/.gatehouse/cli/renew',
  /** A certificate for a command line's own key. */
  sshCertificate: '/.gatehouse/ssh/certificate',
  /** One for a pod, by its own token; its whole URL is the audience of that token. */
  sshHostCertificate: '/.gatehouse/ssh/host-certificate',
  /** What clients and pods trust by; the other two are lines of it for their files. */
  sshTrust: '/.gatehouse/ssh/trust',
  sshKnownHosts: '/.gatehouse/ssh/trust/known_hosts',
  sshUserAuthorities: '/.gatehouse/ssh/trust/user_authorities',
  api: '/.gatehouse/api/v1',
} as const

export function loginPath(query: { readonly to?: string; readonly issuer?: string }): string {
  const params = new URLSearchParams()
  if (query.issuer !== undefined) params.set('issuer', query.issuer)
  if (query.to !== undefined && query.to !== paths.console) params.set('to', query.to)
  return params.size > 0 ? `${paths.login}?${params}` : paths.login
}

/** The page of one workspace on `<domain>`: start it, watch it start, why it fails. */
export function openPath(ref: WorkspaceRef, to?: { port?: number; path?: string }): string {
  const query = new URLSearchParams()
  if (to?.port !== undefined) query.set('port', String(to.port))
  if (to?.path !== undefined) query.set('to', to.path)
  const tail = query.size > 0 ? `?${query}` : ''
  return `/.gatehouse/open/${ref.namespace}/${ref.name}${tail}`
}

/** The page where a workspace is shared, and shares of it are revoked. */
export function sharePath(ref: WorkspaceRef): string {
  return `/.gatehouse/share/${ref.namespace}/${ref.name}`
}

/** Where that page posts the name of a share to revoke. */
export function revokePath(ref: WorkspaceRef): string {
  return `${sharePath(ref)}/revoke`
}

/** The page that says who works in a workspace, and why it is idle or not. Posted to, it is kept for an hour. */
export function activityPath(ref: WorkspaceRef): string {
  return `/.gatehouse/activity/${ref.namespace}/${ref.name}`
}

/** The page that opens a workspace in a desktop IDE. `folder`: which one of the workspace. */
export function idePath(ref: WorkspaceRef, folder?: string): string {
  const tail = folder === undefined ? '' : `?${new URLSearchParams({ folder })}`
  return `/.gatehouse/ide/${ref.namespace}/${ref.name}${tail}`
}

/** Paths of the HTTP API below `/.gatehouse/api/v1`. */
export const api = {
  whoami: `${paths.api}/whoami`,
  workspaces: `${paths.api}/workspaces`,
  workspace: (ref: WorkspaceRef) => `${paths.api}/workspaces/${ref.namespace}/${ref.name}`,
  start: (ref: WorkspaceRef) => `${api.workspace(ref)}/start`,
  stop: (ref: WorkspaceRef) => `${api.workspace(ref)}/stop`,
  /** Server-sent events: the workspace's status whenever it changes. */
  events: (ref: WorkspaceRef) => `${api.workspace(ref)}/events`,
  /** Who works in it, whether it is idle, and why or why not. */
  activity: (ref: WorkspaceRef) => `${api.workspace(ref)}/activity`,
  /** Posted to: it is not stopped for want of activity for an hour from now. Answers as {@link api.activity}. */
  keep: (ref: WorkspaceRef) => `${api.workspace(ref)}/keep`,
  logs: (ref: WorkspaceRef) => `${api.workspace(ref)}/logs`,
  explain: (ref: WorkspaceRef) => `${api.workspace(ref)}/explain`,
  shares: (ref: WorkspaceRef) => `${api.workspace(ref)}/shares`,
  share: (ref: WorkspaceRef, name: string) => `${api.shares(ref)}/${name}`,
  sessions: `${paths.api}/sessions`,
  session: (name: string) => `${api.sessions}/${name}`,
  problems: `${paths.api}/problems`,
} as const
