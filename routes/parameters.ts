/** What a request names, read from its path, query and form. */
import type { FastifyRequest } from 'fastify'
import { parseWorkspaceRef, type WorkspaceRef } from '#surface/workspace-ref.ts'

/** Stands in for a name where a path is built as a route's pattern. */
export const refPattern: WorkspaceRef = { namespace: ':namespace', name: ':name' }

export interface RefRoute {
  Params: { namespace: string; name: string }
}

/** `undefined` for what no workspace can be called. */
export function refOf(request: FastifyRequest<RefRoute>): WorkspaceRef | undefined {
  return parseWorkspaceRef(request.params.namespace, request.params.name)
}

/** The query as it was sent; Fastify's own parser would turn repeated names into arrays. */
export function queryOf(request: FastifyRequest): URLSearchParams {
  const url = request.raw.url ?? ''
  const mark = url.indexOf('?')
  return new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
}

/** A posted form; empty where something else was posted. */
export function formOf(request: FastifyRequest): URLSearchParams {
  return request.body instanceof URLSearchParams ? request.body : new URLSearchParams()
}

/** Does the reader want a piece of the page only, to put it in place? */
export function wantsPart(request: FastifyRequest): boolean {
  return queryOf(request).has('part')
}

/** What a backend may answer at once or later. */
export type Eventually<T> = T | Promise<T>
