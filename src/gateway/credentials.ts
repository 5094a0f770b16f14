/** What a request brings along to say who it is, as far as it is ours. */
import type { RequestHead } from '#http/request-head.ts'
import type { Credentials } from '#identity/authentication.ts'
import { bearerPrefix } from '#identity/session-cookie.ts'

const ownBearer = new RegExp(`^bearer +(${bearerPrefix}.*)$`, 'i')

/** The token, where it has our form; tokens of any other form are the app's affair. */
export function ownBearerOf(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : ownBearer.exec(authorization)?.[1]
}

export function credentialsOf(head: Pick<RequestHead, 'cookie' | 'authorization'>): Credentials {
  return { cookie: head.cookie, bearer: ownBearerOf(head.authorization) }
}
