/** The issuer's tokens of a session: sealed in its record, and bound to its name, so that a copy in another record opens to nothing. */
import { Secret } from '#settings/secret.ts'
import type { Sealer } from './seal.ts'
import type { SessionName } from './session.ts'
import type { WorkspaceSession } from './session-record.ts'

export interface IssuerTokens {
  readonly refreshToken?: Secret | undefined
  readonly idToken?: Secret | undefined
}

const purposes = { refreshToken: 'session/refresh-token', idToken: 'session/id-token' } as const

/** The two fields of a record; absent where there is no token. */
export function sealTokens(
  sealer: Sealer,
  name: SessionName,
  tokens: IssuerTokens,
): { readonly refreshToken?: string; readonly idToken?: string } {
  const seal = (field: keyof typeof purposes) => {
    const token = tokens[field]
    return token && { [field]: sealer.seal(purposes[field], token.reveal(), { associatedData: [name] }) }
  }
  return { ...seal('refreshToken'), ...seal('idToken') }
}

/** Absent where there is none, and where the key that sealed it has left the ring. */
export function openTokens(sealer: Sealer, record: WorkspaceSession): IssuerTokens {
  const open = (field: keyof typeof purposes) => {
    const sealed = record.spec[field]
    const token = sealed && sealer.open(purposes[field], sealed, { associatedData: [record.metadata.name] })
    return token === undefined || token === '' ? undefined : new Secret(token)
  }
  return { refreshToken: open('refreshToken'), idToken: open('idToken') }
}
