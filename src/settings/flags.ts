/** The settings that a command line may give: what one changes from start to start, and every `insecure…` choice by its name. */
import { parseArgs } from 'node:util'
import { messageOf } from '#errors.ts'
import { type InsecureName, insecureMeanings } from './insecure.ts'

/** A setting given on the command line. */
export interface Flag {
  readonly path: readonly string[]
  readonly value: unknown
  /** As it was written: `--manifests`. */
  readonly source: string
}

export type ParsedFlags =
  | { readonly kind: 'parsed'; readonly flags: readonly Flag[]; readonly file: string | undefined }
  | { readonly kind: 'invalid'; readonly message: string }

const values = {
  manifests: { path: ['demo', 'manifests'], meaning: 'folder of workspace manifests' },
  home: { path: ['home'], meaning: 'folder of state and logs' },
  domain: { path: ['domain'], meaning: 'host name of the console' },
  'log-level': { path: ['log', 'level'], meaning: 'debug, info, warn or error' },
} as const

const switches = {
  'insecure-wide-bind': 'insecureWideBind',
  'insecure-http-issuer': 'insecureHttpIssuer',
  'insecure-http-external': 'insecureHttpExternal',
  'insecure-trust-every-proxy': 'insecureTrustEveryProxy',
  'insecure-direct-ssh': 'insecureDirectSsh',
  'insecure-shared-origin': 'routing.insecureSharedOrigin',
} as const satisfies Readonly<Record<string, InsecureName>>

/** `args`: what follows the command. `--host` may be repeated; `--settings` names the file. */
export function parseFlags(args: readonly string[]): ParsedFlags {
  try {
    const { values: given } = parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        settings: { type: 'string' },
        port: { type: 'string' },
        host: { type: 'string', multiple: true },
        ...options(values, 'string'),
        ...options(switches, 'boolean'),
      },
    })
    return { kind: 'parsed', file: given.settings, flags: [...listening(given), ...simple(given)] }
  } catch (error) {
    return { kind: 'invalid', message: messageOf(error) }
  }
}

function options<K extends string, T extends 'string' | 'boolean'>(table: Readonly<Record<K, unknown>>, type: T) {
  return Object.fromEntries(Object.keys(table).map((name) => [name, { type }]))
}

function listening(given: { port?: string | undefined; host?: string[] | undefined }): Flag[] {
  const flags: Flag[] = []
  // What is no number stays text, and the schema says what it should have been.
  const port = /^\d+$/.test(given.port ?? '') ? Number(given.port) : given.port
  if (port !== undefined) flags.push({ path: ['port'], value: port, source: '--port' })
  if (given.host !== undefined) flags.push({ path: ['hosts'], value: given.host, source: '--host' })
  return flags
}

function simple(given: Readonly<Record<string, unknown>>): Flag[] {
  const paths: Readonly<Record<string, readonly string[]>> = {
    ...Object.fromEntries(Object.entries(switches).map(([name, choice]) => [name, choice.split('.')])),
    ...Object.fromEntries(Object.entries(values).map(([name, { path }]) => [name, path])),
  }
  return Object.entries(paths).flatMap(([name, path]) => {
    const value = given[name]
    return value === undefined ? [] : [{ path, value, source: `--${name}` }]
  })
}

/** Lines for `--help`. */
export function describeFlags(): readonly string[] {
  const flags: readonly (readonly [flag: string, meaning: string])[] = [
    ['--settings FILE', 'settings as YAML or JSON'],
    ['--port N', 'first of the three ports (8800)'],
    ['--host ADDRESS', 'address to listen on; may be repeated (127.0.0.1 and ::1)'],
    ...Object.entries(values).map(([name, { meaning }]) => [`--${name} VALUE`, meaning] as const),
    ...Object.entries(switches).map(([name, choice]) => [`--${name}`, insecureMeanings[choice]] as const),
  ]
  const width = Math.max(...flags.map(([flag]) => flag.length))
  return flags.map(([flag, meaning]) => `  ${flag.padEnd(width)}  ${meaning}`)
}
