/** The part of `oidc-provider` 9 that is used here; the package brings no types of its own. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'
  import type { RequestInit, Response } from 'undici'

  export interface AdapterPayload {
    [member: string]: unknown
    readonly uid?: string
    readonly grantId?: string
    readonly accountId?: string
    readonly clientId?: string
    consumed?: number
  }

  export interface Adapter {
    upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void>
    find(id: string): Promise<AdapterPayload | undefined>
    findByUid(uid: string): Promise<AdapterPayload | undefined>
    findByUserCode(userCode: string): Promise<AdapterPayload | undefined>
    consume(id: string): Promise<void>
    destroy(id: string): Promise<void>
    revokeByGrantId(grantId: string): Promise<void>
  }

  export interface Client {
    readonly clientId: string
    readonly backchannelLogoutUri?: string
    grantTypeAllowed(type: string): boolean
    /** Sends a logout token; rejects unless the client answers 200 or 204. */
    backchannelLogout(subject: string, sid: string | undefined): Promise<void>
  }

  export interface Session {
    readonly uid: string
    readonly accountId?: string
    readonly authorizations?: Readonly<Record<string, { readonly sid?: string; readonly grantId?: string }>>
    grantIdFor(clientId: string): string | undefined
    destroy(): Promise<void>
  }

  export interface Grant {
    addOIDCScope(scope: string): void
    /** Resolves to its id. */
    save(): Promise<string>
  }

  export interface KoaContext {
    status: number
    type: string
    body: unknown
    readonly oidc: {
      readonly client: Client | undefined
      readonly session: Session | undefined
      readonly params: Readonly<Record<string, unknown>> | undefined
      readonly result: { readonly consent?: { readonly grantId?: string } } | undefined
      readonly entities: { readonly IdTokenHint?: { readonly payload: { readonly sub?: unknown } } }
    }
    set(name: string, value: string): void
  }

  export interface Interaction {
    readonly uid: string
    readonly prompt: { readonly name: string }
    readonly params: Readonly<Record<string, unknown>>
  }

  export interface Account {
    readonly accountId: string
    claims(use: string, scope: string): Promise<{ readonly sub: string; readonly [claim: string]: unknown }>
  }

  export interface Configuration {
    readonly adapter: (model: string) => Adapter
    readonly clients: readonly object[]
    readonly jwks: { readonly keys: readonly object[] }
    readonly claims: Readonly<Record<string, readonly string[]>>
    readonly scopes: readonly string[]
    readonly conformIdTokenClaims: boolean
    readonly responseTypes: readonly string[]
    readonly cookies: object
    readonly features: object
    readonly ttl: Readonly<Record<string, number>>
    readonly pkce: { readonly required: () => boolean }
    readonly routes: Readonly<Record<string, string>>
    readonly interactions: { readonly url: (ctx: KoaContext, interaction: Interaction) => string }
    readonly clientAuthMethods: readonly string[]
    readonly findAccount: (ctx: KoaContext, subject: string) => Promise<Account | undefined>
    readonly loadExistingGrant: (ctx: KoaContext) => Promise<Grant | undefined>
    readonly issueRefreshToken: (ctx: KoaContext, client: Client) => Promise<boolean>
    readonly expiresWithSession: () => Promise<boolean>
    readonly rotateRefreshToken: boolean
    readonly renderError: (ctx: KoaContext, out: { error: string; error_description?: string }) => Promise<void>
    readonly fetch: (url: string, options: RequestInit) => Promise<Response>
  }

  export class Provider {
    constructor(issuer: string, configuration: Configuration)
    /** Koa's: `X-Forwarded-Proto` and `-Host` are believed. */
    proxy: boolean
    readonly Grant: {
      new (init: { accountId: string; clientId: string }): Grant
      find(id: string): Promise<Grant | undefined>
    }
    readonly Session: { findByUid(uid: string): Promise<Session | undefined> }
    readonly Client: { find(id: string): Promise<Client | undefined> }
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>
    interactionFinished(
      request: IncomingMessage,
      response: ServerResponse,
      result: { login?: { accountId: string }; consent?: object; error?: string; error_description?: string },
      options?: { mergeWithLastSubmission?: boolean },
    ): Promise<void>
    on(event: string, listener: (...details: readonly unknown[]) => void): this
  }
}
