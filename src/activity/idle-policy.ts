/**
 * When a workspace counts as idle, from its own wish and the rules of its template. A value: whoever decides by it needs nothing else. What can't
 * be read or known stops nothing.
 */
import Type from 'typebox'
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import { checkerOf, sayFaults } from '#lib/schema.ts'
import type { TemplateSpec } from '#workspace/template.ts'
import type { ActivityPolicy } from './clocks.ts'
import { type IdleEndpoint, type IdleWish, readIdleShutdown } from './idle-shutdown.ts'

export interface IdlePolicy extends ActivityPolicy {
  /** One minute at least. */
  readonly timeout: Milliseconds
  readonly endpoint: IdleEndpoint | undefined
  /** Counted from its start; whoever works in it then. */
  readonly maxLifetime: Milliseconds | undefined
  /** Until then nothing is stopped. */
  readonly pausedUntil: Timestamp | undefined
  /** It is stopped by somebody else's operator, which counts for so long from the time that it is told. `undefined`: Gatehouse stops it. */
  readonly operatorTimeout: Milliseconds | undefined
}

export interface IdleRuleOptions {
  /** There is an operator of somebody else's, which is told of workspaces that ask Gatehouse. */
  readonly tellsOperator: boolean
}

export const noOperator: IdleRuleOptions = { tellsOperator: false }

export type IdleRule =
  /** Nobody asks for it. */
  | { readonly kind: 'off'; readonly refused?: string }
  /** It can't be known what somebody asks for: nothing is stopped. For people. */
  | { readonly kind: 'unknown'; readonly problem: string }
  /** `refused`: what the workspace wishes and its template does not allow; the template counts instead. For people. */
  | { readonly kind: 'on'; readonly policy: IdlePolicy; readonly refused?: string }

/** `missing`: the workspace names one that is not known. */
export type TemplateOf = TemplateSpec | 'none' | 'missing'

const minutes = Type.Integer({ minimum: 1, maximum: 525_600 })

const Overrides = Type.Object({
  allow: Type.Boolean({ default: true }),
  minIdleTimeoutInMinutes: Type.Optional(minutes),
  maxIdleTimeoutInMinutes: Type.Optional(minutes),
  minTimeoutMinutes: Type.Optional(minutes),
  maxTimeoutMinutes: Type.Optional(minutes),
})

const Rules = Type.Object(
  {
    /** An open stream is activity, whatever passes through it. */
    connectedCounts: Type.Boolean({ default: false }),
    maxLifetimeInMinutes: Type.Optional(minutes),
    maxBusyInMinutes: Type.Optional(minutes),
    /** RFC 3339. */
    pausedUntil: Type.Optional(Type.String({ maxLength: 40 })),
  },
  { additionalProperties: false },
)

const checkOverrides = checkerOf(Overrides)
const checkRules = checkerOf(Rules)
const minute: Milliseconds = 60_000

interface Bounds {
  readonly allow: boolean
  readonly min: Milliseconds
  /** Infinite where there is none. */
  readonly max: Milliseconds
}

interface TemplateRules extends Pick<IdlePolicy, 'connectedCounts' | 'maxLifetime' | 'maxBusy' | 'pausedUntil'> {
  readonly fallback: IdleWish | undefined
  /** Stands in a Workspace although nobody wishes it. */
  readonly written: IdleWish | undefined
  readonly bounds: Bounds
}

const noRules: TemplateRules = {
  ...{ fallback: undefined, written: undefined },
  bounds: { allow: true, min: 0, max: Number.POSITIVE_INFINITY },
  ...{ connectedCounts: false, maxLifetime: undefined, pausedUntil: undefined },
}

/** `own`: `spec.idleShutdown` of the workspace. */
export function idleRuleOf(own: unknown, template: TemplateOf, options: IdleRuleOptions = noOperator): IdleRule {
  if (template === 'missing') return { kind: 'unknown', problem: 'Its template is not known.' }
  const rules = template === 'none' ? noRules : readTemplate(template)
  if (typeof rules === 'string') return { kind: 'unknown', problem: `Its template can not be read: ${rules}.` }
  if (own === undefined || own === null) return ruleOf(rules.fallback, rules)
  const read = readIdleShutdown(own)
  if (read.ok) return ruleBy(read.wish, rules, options)
  const problem = `Its idleShutdown can not be read: ${read.problem}.`
  return rules.fallback ? ruleOf(rules.fallback, rules, problem) : { kind: 'unknown', problem }
}

function ruleBy(wish: IdleWish, rules: TemplateRules, { tellsOperator }: IdleRuleOptions): IdleRule {
  if (rules.written && isCopy(wish, rules.written, rules.bounds)) return ruleOf(rules.fallback, rules)
  const refused = refusalOf(wish, rules)
  const rule = refused === undefined ? ruleOf(wish, rules) : ruleOf(rules.fallback, rules, refused)
  // That operator goes by what is written in the workspace, whatever its template says by now.
  return tellsOperator && mayAsk(wish, refused, rules) ? toldTo(rule, wish) : rule
}

/** What counts as activity by the rules of a template, whatever a workspace wishes. Where they can't be known, as if there were none. */
export function activityPolicyOf(template: TemplateOf): ActivityPolicy {
  const rules = template === 'none' || template === 'missing' ? noRules : readTemplate(template)
  const { connectedCounts, maxBusy } = typeof rules === 'string' ? noRules : rules
  return { connectedCounts, maxBusy }
}

/** What its template refuses takes no workspace from Gatehouse. */
function mayAsk({ asksGatehouse }: IdleWish, refused: string | undefined, { fallback }: TemplateRules): boolean {
  return asksGatehouse && (refused === undefined || fallback?.asksGatehouse === true)
}

/** Bounds bind what a workspace wishes, never the default of the template itself. */
function refusalOf(wish: IdleWish, { fallback, bounds }: TemplateRules): string | undefined {
  if (fallback && isSame(wish, fallback)) return undefined
  if (!bounds.allow) return 'Its template allows no idleShutdown of its own.'
  // Never to stop is longer than any bound.
  const timeout = wish.enabled ? wish.timeout : Number.POSITIVE_INFINITY
  if (timeout < bounds.min) return `Its template asks for an idle timeout of ${bounds.min / minute} minutes or more.`
  if (bounds.max < timeout) return `Its template allows an idle timeout of ${bounds.max / minute} minutes at most.`
  return undefined
}

/** Behind a lock, also of a default that has been another since: nobody could have wished it. */
function isCopy(wish: IdleWish, written: IdleWish, { allow }: Bounds): boolean {
  return isSame(wish, written) || (!allow && !wish.enabled && !written.enabled)
}

function isSame(one: IdleWish, other: IdleWish): boolean {
  return JSON.stringify(inOrder(one)) === JSON.stringify(inOrder(other))
}

function inOrder({ enabled, timeout, endpoint, asksGatehouse }: IdleWish): readonly unknown[] {
  const asked = endpoint && [endpoint.path, endpoint.port, endpoint.scheme, endpoint.field]
  return [enabled, timeout, asked, asksGatehouse]
}

function ruleOf(wish: IdleWish | undefined, rules: TemplateRules, refused?: string): IdleRule {
  const told = refused === undefined ? {} : { refused }
  if (!wish?.enabled) return { kind: 'off', ...told }
  const { timeout, endpoint } = wish
  const { connectedCounts, maxLifetime, maxBusy, pausedUntil } = rules
  const policy = { timeout, endpoint, connectedCounts, maxLifetime, maxBusy, pausedUntil, operatorTimeout: undefined }
  return { kind: 'on', policy, ...told }
}

function toldTo(rule: IdleRule, wish: IdleWish): IdleRule {
  if (rule.kind !== 'on' || !wish.enabled) return rule
  return { ...rule, policy: { ...rule.policy, operatorTimeout: wish.timeout } }
}

/** A text says why not. */
function readTemplate(spec: TemplateSpec): TemplateRules | string {
  const { defaultIdleShutdown, writtenIdleShutdown, idleShutdownOverrides = {}, idleShutdownRules = {} } = spec
  const fallback = defaultIdleShutdown === undefined ? undefined : readIdleShutdown(defaultIdleShutdown)
  const written = writtenIdleShutdown === undefined ? undefined : readIdleShutdown(writtenIdleShutdown)
  if (fallback && !fallback.ok) return `defaultIdleShutdown: ${fallback.problem}`
  const bounds = readBounds(idleShutdownOverrides)
  if (typeof bounds === 'string') return `idleShutdownOverrides: ${bounds}`
  const rules = checkRules(idleShutdownRules)
  if (!rules.ok) return `idleShutdownRules: ${sayFaults(rules.faults)}`
  const { connectedCounts, maxLifetimeInMinutes: lifetime, maxBusyInMinutes: busy, pausedUntil } = rules.value
  const paused = pausedUntil === undefined ? undefined : Date.parse(pausedUntil)
  if (Number.isNaN(paused)) return 'idleShutdownRules: /pausedUntil is no date'
  const span = (of: number | undefined) => (of === undefined ? undefined : of * minute)
  const limits = { maxLifetime: span(lifetime), maxBusy: span(busy), pausedUntil: paused }
  const wishes = { fallback: fallback?.wish, written: written?.ok ? written.wish : undefined }
  return { ...wishes, bounds, connectedCounts, ...limits }
}

/** A text says why not. */
function readBounds(value: unknown): Bounds | string {
  const checked = checkOverrides(value)
  if (!checked.ok) return sayFaults(checked.faults)
  const { allow, minIdleTimeoutInMinutes: min, maxIdleTimeoutInMinutes: max } = checked.value
  const { minTimeoutMinutes: olderMin, maxTimeoutMinutes: olderMax } = checked.value
  if (differ(min, olderMin) || differ(max, olderMax)) return 'the two spellings of a bound differ'
  const [least, most] = [min ?? olderMin, max ?? olderMax]
  return {
    allow,
    min: least === undefined ? 0 : least * minute,
    max: most === undefined ? Number.POSITIVE_INFINITY : most * minute,
  }
}

function differ(one: number | undefined, other: number | undefined): boolean {
  return one !== undefined && other !== undefined && one !== other
}
