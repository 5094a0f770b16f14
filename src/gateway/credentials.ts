/** What a request brings along to say who it is, as far as it is ours. */
import type { RequestHead } from '#http/request-head.ts'
import type { Authenticator, Credentials } from '#identity/authentication.ts'

type Knower = Pick<Authenticator, 'isOwnBearer'>

/** The scheme is compared without regard to case (RFC 9110 section 11.1). */
const bearer = /^bearer +(\S+)$/i

/** The token, where it has a form of ours; tokens of any other form are the app's affair. */
export function ownBearerOf(authorization: string | undefined, by: Knower): string | undefined {
  const token = authorization === undefined ? undefined : bearer.exec(authorization)?.[1]
  return token !== undefined && by.isOwnBearer(token) ? token : undefined
}

export function credentialsOf(head: Pick<RequestHead, 'cookie' | 'authorization'>, by: Knower): Credentials {
  return { cookie: head.cookie, bearer: ownBearerOf(head.authorization, by) }
}
