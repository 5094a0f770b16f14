/** Does the workspace itself stand in the way: does it run, and is its agent there? By what the gateway says of it. Pure. */

import { span } from '#cli/client/printing.ts'
import { fullName } from '#cli/client/workspace-argument.ts'
import type { Timestamp } from '#lib/clock.ts'
import type { WorkspaceView } from '#surface/messages.ts'
import type { Finding } from './probes.ts'

type AgentView = NonNullable<WorkspaceView['agent']>

/** What is said of an agent that is not there, by whoever says it. */
export const agentRemedy =
  'The log of its container says why it does not come ("the gateway answered 401": its token is for another pod or gateway): docs/agent.md of Gatehouse.'

export function checkView(view: WorkspaceView, now: Timestamp): readonly Finding[] {
  const { agent } = view
  return [checkState(view), ...(agent ? [checkAgent(agent, now)] : [])]
}

function checkState(view: WorkspaceView): Finding {
  const check = 'workspace'
  const { state, reason, message } = view
  const name = fullName(view)
  switch (state) {
    case 'Running':
      return { check, verdict: 'ok', found: `${name} runs` }
    case 'Stopped':
      return { check, verdict: 'missing', found: `${name} is stopped`, remedy: `Start it: gatehouse start ${name}` }
    default: {
      const found = `${name} is not ready: ${state} (${reason}): ${message}`
      return { check, verdict: 'missing', found, remedy: `What it says: gatehouse logs ${name}` }
    }
  }
}

function checkAgent({ connected, since, holds }: AgentView, now: Timestamp): Finding {
  const check = 'agent'
  const when = since === undefined ? '' : ` since ${since} (${span(now - Date.parse(since))})`
  if (!connected) {
    const found = since === undefined ? 'it is not connected now' : `it is not connected${when}`
    return { check, verdict: 'missing', found, remedy: agentRemedy }
  }
  if (holds !== false) return { check, verdict: 'ok', found: `it is connected${when}` }
  const found = `it is connected${when}, but of an earlier version: what is under way ends with its connection`
  return { check, verdict: 'unknown', found, remedy: 'Give its container the image of this Gatehouse.' }
}
