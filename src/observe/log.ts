/**
 * The log: JSON lines, one event each. What may be in a line is a closed list of fields, so that a header, a body or a cookie can't get there
 * by handing over an object; everything in it passes {@link printable}.
 */
import { pino } from 'pino'
import { type ErrorCode, GatewayError } from '#errors.ts'
import type { Clock } from '#lib/clock.ts'
import { FloodGate } from '#lib/flood-gate.ts'
import { printable, printablePath } from './printable.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Everything that can be said in a log line. A further field is a line here, not an object passed through. */
export interface LogFields {
  /** The part of Gatehouse that speaks: `directory`, `listener`. */
  readonly component?: string | undefined
  readonly requestId?: string | undefined
  readonly method?: string | undefined
  readonly host?: string | undefined
  /** A request target or path; its query is cut off. */
  readonly path?: string | undefined
  readonly status?: number | undefined
  /** Address of the client. */
  readonly client?: string | undefined
  readonly user?: string | undefined
  /** The name of the session's record, never its id. */
  readonly session?: string | undefined
  /** `namespace/name`. */
  readonly workspace?: string | undefined
  readonly port?: number | undefined
  readonly instance?: string | undefined
  readonly grant?: string | undefined
  /** The id of the issuer in the settings. */
  readonly issuer?: string | undefined
  readonly reason?: string | undefined
  readonly code?: ErrorCode | undefined
  readonly error?: unknown
  /** A kind of resource, listener or stream. */
  readonly kind?: string | undefined
  readonly name?: string | undefined
  readonly file?: string | undefined
  readonly line?: number | undefined
  /** Where something listens or is reached: `127.0.0.1:8800`, a URL (its query is cut off). */
  readonly address?: string | undefined
  readonly setting?: string | undefined
  readonly version?: string | undefined
  readonly keyId?: string | undefined
  readonly phase?: string | undefined
  readonly signal?: string | undefined
  readonly pid?: number | undefined
  readonly exitCode?: number | undefined
  readonly attempt?: number | undefined
  readonly count?: number | undefined
  readonly bytes?: number | undefined
  readonly milliseconds?: number | undefined
}

export interface Log {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
  /**
   * A warning of what anybody can cause, as often as he likes: for each component and reason the first few in a second, then a line
   * with the `count` of further ones.
   */
  warnOfMany(fields: LogFields & { readonly component: string; readonly reason: string }, message: string): void
  /** A log whose every line has these fields as well. */
  child(fields: LogFields): Log
}

/** Takes whole lines, each with its line feed; must not block and must not throw. */
export interface LineSink {
  write(line: string): void
}

export function createLog(options: { level: LogLevel; clock: Clock; sink: LineSink }): Log {
  const { clock, sink } = options
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    sink,
  )
  const many = new FloodGate({
    clock,
    tell(kind, count) {
      const [component, reason] = kind.split('\n', 2)
      logger.warn(listed({ component, reason, count }), 'and more of the same')
    },
  })
  return wrap(logger, many)
}

type Logger = Pick<ReturnType<typeof pino>, LogLevel | 'isLevelEnabled'> & {
  child(bindings: Readonly<Record<string, unknown>>): Logger
}

function wrap(logger: Logger, many: FloodGate): Log {
  const at = (level: LogLevel) => (fields: LogFields, message: string) => {
    if (logger.isLevelEnabled(level)) logger[level](listed(fields), printable(message))
  }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    warnOfMany(fields, message) {
      if (many.admits(`${fields.component}\n${fields.reason}`)) at('warn')(fields, message)
    },
    child: (fields) => wrap(logger.child(listed(fields)), many),
  }
}

type Plain = string | number | boolean | undefined | Readonly<Record<string, string | number | boolean | undefined>>
/** Looks at what it is given before using it: `undefined` for what it can't print. */
type Serializer = (value: unknown) => Plain

const text: Serializer = (value) => (typeof value === 'string' ? printable(value) : undefined)
const location: Serializer = (value) => (typeof value === 'string' ? printablePath(value) : undefined)
const number: Serializer = (value) => (typeof value === 'number' ? value : undefined)

const serializers: { readonly [Field in keyof LogFields]-?: Serializer } = {
  component: text,
  requestId: text,
  method: text,
  host: text,
  path: location,
  status: number,
  client: text,
  user: text,
  session: text,
  workspace: text,
  port: number,
  instance: text,
  grant: text,
  issuer: text,
  reason: text,
  code: text,
  error: describeError,
  kind: text,
  name: text,
  file: text,
  line: number,
  address: location,
  setting: text,
  version: text,
  keyId: text,
  phase: text,
  signal: text,
  pid: number,
  exitCode: number,
  attempt: number,
  count: number,
  bytes: number,
  milliseconds: number,
}

const serializersByName: ReadonlyMap<string, Serializer> = new Map(Object.entries(serializers))

/** The listed fields alone, each fit to print. A field that is not listed is dropped, whatever the types were told. */
function listed(fields: LogFields): Record<string, Plain> {
  const out: Record<string, Plain> = {}
  for (const [name, value] of Object.entries(fields)) {
    const serializer = serializersByName.get(name)
    if (serializer && value !== undefined) out[name] = serializer(value)
  }
  return out
}

const longestStack = 4096

/** What kind of error, its code and message; a stack only for faults that nobody foresaw. */
function describeError(error: unknown): Plain {
  if (!(error instanceof Error)) return { message: printable(String(error)) }
  const cause = error.cause === undefined ? undefined : printable(causes(error))
  if (error instanceof GatewayError) {
    return { name: error.name, code: error.code, message: printable(error.message), cause }
  }
  const code = 'code' in error && typeof error.code === 'string' ? printable(error.code) : undefined
  const stack = printable(error.stack ?? '', longestStack)
  return { name: printable(error.name), code, message: printable(error.message), cause, stack }
}

/** The chain of causes, at most four deep. */
function causes(error: Error): string {
  const messages: string[] = []
  for (let cause = error.cause; cause !== undefined && messages.length < 4; ) {
    messages.push(cause instanceof Error ? cause.message : String(cause))
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return messages.join(' < ')
}
