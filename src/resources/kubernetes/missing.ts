/** What a 404 of the API server means: that an object is not there, or that the server does not even know its kind. */
import { GatewayError } from '#errors.ts'
import type { ObjectName, Resource, ResourceKind } from '#resources/contract.ts'
import { ApiFault } from './api-fault.ts'

/** The server has the kind, but no such object of it. */
export function isMissing(error: unknown, { name }: ObjectName): boolean {
  return error instanceof ApiFault && error.code === 'not_found' && error.about.name === name
}

/** A kind that is not installed is no proof that an object is not there: `store_unavailable`. Other errors stay as they are. */
export function unknownKind(kind: ResourceKind<Resource>, error: unknown): unknown {
  if (!(error instanceof ApiFault) || error.code !== 'not_found' || error.about.name !== '') return error
  return new GatewayError('store_unavailable', `the API server does not serve ${kind.plural}`, { cause: error })
}

/** Throws what {@link unknownKind} makes of an error. */
export async function ofKnownKind<R>(kind: ResourceKind<Resource>, ask: () => Promise<R>): Promise<R> {
  try {
    return await ask()
  } catch (error) {
    throw unknownKind(kind, error)
  }
}
