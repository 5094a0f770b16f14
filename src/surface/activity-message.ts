/** `GET …/activity` and `/.gatehouse/status`: who works in a workspace, whether it counts as idle, and why or why not. All times are RFC 3339. */
import Type, { type Static } from 'typebox'
import { type Immutable, WorkspaceStateName } from './messages.ts'

const text = Type.String()

const EvidenceSchema = Type.Object({
  /** Of `busy` and `kept` it may lie ahead: so long it counts. */
  at: text,
  /** `kernel:execute_request`, `contents:PUT`. */
  source: text,
  /** Who it was: the reader himself, or for those who may start and stop it. */
  user: Type.Optional(text),
})

export const ClockName = Type.Union([
  /** Somebody had it open. */
  Type.Literal('connected'),
  /** Somebody did something. */
  Type.Literal('interactive'),
  /** Work counts as running until then. */
  Type.Literal('busy'),
  /** Something happened that can't be told apart. */
  Type.Literal('unknown'),
  /** A terminal or a console was used. */
  Type.Literal('terminal'),
  /** Somebody asked that it is kept until then. */
  Type.Literal('kept'),
])

const IdlePolicySchema = Type.Object({
  /** `off`: nobody asks that it stops when nobody works. `unknown`: it can't be known what is asked for. */
  kind: Type.Union([Type.Literal('on'), Type.Literal('off'), Type.Literal('unknown')]),
  timeoutMinutes: Type.Optional(Type.Integer()),
  /** An open stream is activity, whatever passes through it. */
  connectedCounts: Type.Optional(Type.Boolean()),
  /** What is done at some of its ports is no activity. */
  ignoresPorts: Type.Optional(Type.Boolean()),
  /** The app has an endpoint that is asked when it was last used. */
  hasEndpoint: Type.Optional(Type.Boolean()),
  /** It stops that long after its start, whoever works in it. */
  maxLifetimeMinutes: Type.Optional(Type.Integer()),
  /** Work counts for that long after somebody did something, and no longer. */
  maxBusyMinutes: Type.Optional(Type.Integer()),
  /** Until then nothing is stopped. */
  pausedUntil: Type.Optional(text),
  /** What can't be known, or what of the workspace's own wish is refused. */
  problem: Type.Optional(text),
})

export const ActivitySchema = Type.Object({
  namespace: text,
  name: text,
  state: WorkspaceStateName,
  /** CamelCase, of the state. */
  reason: text,
  /** For people, of the state. */
  message: text,
  /** The username of whom this was written for. */
  reader: text,
  /** When it was read, by the clock that all other times are of: countdowns count from here. */
  at: text,
  policy: IdlePolicySchema,
  /** Of the run that goes on, as far as it is known. */
  startedAt: Type.Optional(text),
  /** Those of which anything is known, with the evidence. */
  clocks: Type.Array(Type.Intersect([Type.Object({ clock: ClockName }), EvidenceSchema])),
  /** By the rule of whoever stops it. What can't be told stops nothing. */
  verdict: Type.Object({
    kind: Type.Union([Type.Literal('idle'), Type.Literal('not-idle'), Type.Literal('unknown')]),
    /** For machines: `active`, `busy`, `kept`, `app-failed`. */
    reason: text,
    /** For people. */
    message: text,
    /** What it goes by. */
    last: Type.Optional(EvidenceSchema),
  }),
  /** When it counts as idle if nothing happens; what it says of itself then may put that off. */
  idleAt: Type.Optional(text),
  /** When it has run for as long as is allowed. */
  stopsAt: Type.Optional(text),
  keptUntil: Type.Optional(text),
  /** The sooner of the two ends. Absent: none is known. */
  ends: Type.Optional(
    Type.Object({
      at: text,
      because: Type.Union([Type.Literal('inactivity'), Type.Literal('lifetime')]),
      /** It is near: five minutes, or half of a timeout shorter than ten. */
      isNear: Type.Boolean(),
    }),
  ),
  /** What the reader may do. */
  can: Type.Object({ keep: Type.Boolean() }),
})
export type ActivityView = Immutable<Static<typeof ActivitySchema>>

/** `GET /.gatehouse/last-active`, as an operator reads it that stops a workspace by it. */
export const LastActiveSchema = Type.Object({
  /** RFC 3339, with an upper-case Z. */
  lastActiveTimestamp: text,
})
export type LastActiveView = Immutable<Static<typeof LastActiveSchema>>
