/** Endpoints as values. */
import type { Endpoint } from './contract.ts'

/** Does a connection to the one reach what a connection to the other reaches? */
export function isSameEndpoint(a: Endpoint | undefined, b: Endpoint | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined || a.kind !== b.kind) return false
  switch (a.kind) {
    case 'unix':
      return b.kind === 'unix' && a.path === b.path
    case 'tcp':
      return b.kind === 'tcp' && a.host === b.host && a.port === b.port
    case 'pod':
      return b.kind === 'pod' && a.instanceUid === b.instanceUid && a.host === b.host && a.port === b.port
    case 'agent':
      return b.kind === 'agent' && a.instanceUid === b.instanceUid && a.port === b.port
  }
}
