/** What the decision's refusals say to the outside. Whatever would tell a stranger that a workspace exists is one and the same problem. */
import type { RequestHead } from '#http/request-head.ts'
import { readHandshake } from '#http/upgrade-handshake.ts'
import type { Problem } from '#surface/problem.ts'
import type { DenyReason, DenyStatus } from './admission.ts'

const notYours: Problem = {
  code: 'forbidden',
  status: 403,
  title: 'There is no such workspace, or it is not shared with you.',
}
const notHere: Problem = { code: 'not_found', status: 404, title: 'There is nothing at this address.' }
const notNow: Problem = {
  code: 'store_unavailable',
  status: 503,
  title: 'Gatehouse cannot tell at the moment. Please try again.',
}
const crossOrigin: Problem = {
  code: 'cross_origin',
  status: 403,
  title: 'A page of another origin asked for this. It was not done.',
}

/** `detail` is told where it was written for the person: of what a tunnel lacks. */
export function problemOfDenial(reason: DenyReason, status: DenyStatus, detail = ''): Problem {
  switch (reason) {
    case 'cross-origin':
      return crossOrigin
    case 'store-unavailable':
    case 'review-unavailable':
    case 'not-synced':
      return notNow
    case 'no-such-port':
      return notHere
    case 'no-such-workspace':
      return status === 404 ? notHere : notYours
    case 'no-grant':
    case 'rbac':
    case 'port-not-granted':
    case 'connection-type-not-granted':
      return notYours
    case 'connection-type-not-configured':
      return { code: 'connection_type_not_configured', status, title: 'This kind of connection is not offered here.' }
    case 'agent-needed':
      return { code: 'agent_needed', status, title: 'SSH into workspaces is not set up here.', detail: agentNeeded }
    case 'memory-too-small':
      return { code: 'memory_too_small', status, title: 'The workspace has too little memory for this.', detail }
    case 'nothing-listens':
      return { code: 'nothing_listens', status, title: 'Nothing listens at this port of the workspace.', detail }
    case 'instance-changed':
      return { code: 'instance_changed', status, title: 'The workspace was started again since.' }
  }
}

const agentNeeded =
  'It needs an agent beside the workspace, or an administrator who accepts that its port is reached without one (insecureDirectSsh).'

export const loginNeeded: Problem = { code: 'unauthorized', status: 401, title: 'You are not logged in.' }
export const stoppedNow: Problem = { code: 'workspace_stopped', status: 424, title: 'The workspace is stopped.' }
export const startingNow: Problem = {
  code: 'workspace_starting',
  status: 503,
  title: 'The workspace is not ready yet.',
}
export const loginLoop: Problem = {
  code: 'login_loop',
  status: 400,
  title: 'The login does not reach this workspace: your browser does not keep its cookie.',
  detail: 'Allow cookies for this address and open it again.',
}

/** An upgrade that is no WebSocket handshake, and what its refusal says beside the problem. */
export function problemOfHandshake(
  method: string,
  head: RequestHead,
): { readonly problem: Problem; readonly headers: readonly string[] } | undefined {
  const handshake = readHandshake(method, head)
  if (handshake.kind !== 'problem') return undefined
  const { fault, status } = handshake
  return {
    problem: { code: `upgrade_${fault}`, status, title: 'This is no WebSocket handshake.' },
    headers: status === 426 ? ['Upgrade', 'websocket', 'Sec-WebSocket-Version', '13'] : [],
  }
}

const unreadableTitles: Readonly<Record<number, string>> = {
  400: 'The request could not be understood.',
  404: 'There is nothing at this address.',
  405: 'This method is not allowed.',
  414: 'The address is too long.',
  421: 'This name is not served here.',
  431: 'The request has too many header fields.',
  505: 'This version of HTTP is not spoken here.',
}

export function problemOfUnreadable(status: number, code: string): Problem {
  return { code, status, title: unreadableTitles[status] ?? 'The request could not be understood.' }
}
