/**
 * `idleShutdown` of a Workspace and `defaultIdleShutdown` of a template, as both of their spellings have it. Parsed where it is decided by: one that
 * can't be read stops nothing, and makes nothing else unreadable.
 */
import Type, { type Static } from 'typebox'
import type { Milliseconds } from '#lib/clock.ts'
import { checkerOf, sayFaults } from '#lib/schema.ts'
import { paths } from '#surface/urls.ts'

const minutes = Type.Integer({ minimum: 1, maximum: 525_600 })

/**
 * `host` and `httpHeaders` of Kubernetes' HTTPGetAction are understood by nobody here: the pod is asked, and with no header of anybody's choice.
 */
const HttpGet = Type.Object({
  path: Type.Optional(Type.String({ maxLength: 1024 })),
  port: Type.Union([
    Type.Integer({ minimum: 1, maximum: 65_535 }),
    Type.String({ pattern: '^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$' }),
  ]),
  scheme: Type.Optional(Type.String({ pattern: '^([Hh][Tt][Tt][Pp][Ss]?)?$' })),
  lastActivityTimestamp: Type.Optional(
    Type.Object({ responseBodyPath: Type.Optional(Type.String({ maxLength: 256 })) }),
  ),
})

const IdleShutdown = Type.Object({
  enabled: Type.Boolean(),
  idleTimeoutInMinutes: Type.Optional(minutes),
  idleShutdownTimeoutMinutes: Type.Optional(minutes),
  detection: Type.Optional(Type.Object({ httpGet: Type.Optional(HttpGet) })),
})

/** An endpoint of the app that says when it was last used. Of the workspace's own instance, whatever was written. */
export interface IdleEndpoint {
  /** Visible ASCII, with a slash in front; may hold a placeholder for what the app has in front of its own paths. */
  readonly path: string
  /** A number, or the name of a port of the workspace. */
  readonly port: number | string
  readonly scheme: 'http' | 'https'
  /** Where in the body the time is: names of fields, from the outside in. */
  readonly field: readonly string[]
}

/** What somebody wishes for a workspace. */
export interface IdleWish {
  readonly enabled: boolean
  /** One minute at least where it is enabled. */
  readonly timeout: Milliseconds
  /** Absent: traffic alone tells. */
  readonly endpoint: IdleEndpoint | undefined
  /** The endpoint that it names is Gatehouse's own answer, which says nothing to Gatehouse that it does not know. */
  readonly asksGatehouse: boolean
}

export type ReadWish = { readonly ok: true; readonly wish: IdleWish } | { readonly ok: false; readonly problem: string }

/** Of upstream, where nothing is said. */
const usualField = 'lastActiveTimestamp'
const minute: Milliseconds = 60_000
/** RFC 9112 section 3.2: a request target is visible ASCII. */
const targetPattern = /^\/[\x21-\x7e]*$/
/** Names in an object of JSON, visible and without spaces, none of which means something to JavaScript. */
const fieldPattern = /^(?!__proto__$)[\x21-\x2d\x2f-\x7e]{1,128}$/

const check = checkerOf(IdleShutdown)

export function readIdleShutdown(value: unknown): ReadWish {
  const checked = check(value)
  if (!checked.ok) return { ok: false, problem: sayFaults(checked.faults) }
  const { enabled, idleTimeoutInMinutes: named, idleShutdownTimeoutMinutes: older, detection } = checked.value
  const timeout = named ?? older
  if (timeout === undefined && enabled) return { ok: false, problem: 'idleTimeoutInMinutes is missing' }
  if (older !== undefined && older !== timeout) {
    return { ok: false, problem: 'idleTimeoutInMinutes and idleShutdownTimeoutMinutes are two spellings of one time' }
  }
  const endpoint = detection?.httpGet && endpointOf(detection.httpGet)
  if (typeof endpoint === 'string') return { ok: false, problem: endpoint }
  const asksGatehouse = endpoint?.path === paths.lastActive
  const asked = asksGatehouse ? undefined : endpoint
  return { ok: true, wish: { enabled, timeout: (timeout ?? 0) * minute, endpoint: asked, asksGatehouse } }
}

/** A text says why not. */
function endpointOf({ path = '', port, scheme, lastActivityTimestamp }: Static<typeof HttpGet>): IdleEndpoint | string {
  const target = path.startsWith('/') ? path : `/${path}`
  if (!targetPattern.test(target)) return 'detection.httpGet.path is not a valid path'
  const field = (lastActivityTimestamp?.responseBodyPath || usualField).split('.')
  if (!field.every((name) => fieldPattern.test(name))) return 'responseBodyPath is not a path of fields'
  return { path: target, port, scheme: scheme?.toLowerCase() === 'https' ? 'https' : 'http', field }
}

/** Of a field that others write and that thousands of workspaces have: what is decided by, and nothing besides. */
export function leanIdleShutdown(value: unknown): unknown {
  const read = check(value)
  if (!read.ok) return value === undefined || value === null ? value : unreadable
  const { enabled, idleTimeoutInMinutes, idleShutdownTimeoutMinutes, detection } = read.value
  const times = { idleTimeoutInMinutes, idleShutdownTimeoutMinutes }
  if (!detection?.httpGet) return { enabled, ...times }
  const { path, port, scheme, lastActivityTimestamp } = detection.httpGet
  const field = lastActivityTimestamp?.responseBodyPath
  return {
    ...{ enabled, ...times },
    detection: { httpGet: { path, port, scheme, lastActivityTimestamp: { responseBodyPath: field } } },
  }
}

/** Reads as what it is: no wish at all. */
const unreadable = 'unreadable'
