/** What the HTTP API below `/.gatehouse/api/v1` says and accepts, as schemas that the server and its clients share. All times are RFC 3339. */
import Type, { type Static } from 'typebox'

export type Immutable<T> = T extends (infer Item)[]
  ? readonly Immutable<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Immutable<T[Key]> }
    : T

const text = Type.String()

/** `GET …/whoami`: who Gatehouse takes the reader for, after the administrator's mapping. */
export const WhoamiSchema = Type.Object({
  kind: Type.Union([Type.Literal('person'), Type.Literal('machine')]),
  username: text,
  uid: text,
  groups: Type.Array(text),
  issuer: text,
  /** The issuer's `sub`, before mapping. */
  subject: text,
  session: Type.Object({
    name: text,
    kind: Type.Union([Type.Literal('browser'), Type.Literal('cli'), Type.Literal('machine')]),
    createdAt: text,
    /** Renewed ahead of it where the issuer allows. */
    expiresAt: text,
    /** Never lives past this. */
    notAfter: text,
  }),
})
export type WhoamiView = Immutable<Static<typeof WhoamiSchema>>

export const WorkspaceStateName = Type.Union([
  Type.Literal('Stopped'),
  Type.Literal('Starting'),
  Type.Literal('Running'),
  Type.Literal('Stopping'),
  Type.Literal('Degraded'),
])

const PortSchema = Type.Object({
  name: text,
  port: Type.Integer(),
  label: text,
  /** The app's own URL; ends in a slash. */
  url: text,
  /** Not exposed is still reachable, but not listed. */
  exposed: Type.Boolean(),
  ready: Type.Boolean(),
})

const StepSchema = Type.Object({
  at: text,
  kind: Type.Union([Type.Literal('normal'), Type.Literal('warning')]),
  /** CamelCase. */
  reason: text,
  message: text,
})

export const WorkspaceSchema = Type.Object({
  namespace: text,
  name: text,
  /** `''`: the name serves. */
  displayName: text,
  /** `''` where nobody owns it. */
  owner: text,
  mine: Type.Boolean(),
  grant: Type.Union([
    Type.Literal('owner'),
    Type.Literal('public'),
    Type.Literal('share'),
    Type.Literal('administrator'),
  ]),
  state: WorkspaceStateName,
  /** CamelCase, for machines. */
  reason: text,
  /** For people. */
  message: text,
  steps: Type.Array(StepSchema),
  /** Only those that the reader may open, the main one first. */
  ports: Type.Array(PortSchema),
  /** What the reader may do. */
  can: Type.Object({
    open: Type.Boolean(),
    start: Type.Boolean(),
    stop: Type.Boolean(),
    share: Type.Boolean(),
    logs: Type.Boolean(),
    /** Come by SSH, desktop IDEs among them, while it runs. A gateway of before says nothing of it. */
    ssh: Type.Optional(Type.Boolean()),
  }),
  /** Who has streams open now; absent for those who may not know. */
  connected: Type.Optional(Type.Array(Type.Object({ user: text, streams: Type.Integer() }))),
  /** Where people open it: the main port's URL. */
  url: text,
  /** Where it is reached through an agent, and runs; as far as it is known. */
  agent: Type.Optional(
    Type.Object({
      connected: Type.Boolean(),
      /** When its first link came, or its last one left; absent where that is for other replicas to know, or none ever came. */
      since: Type.Optional(text),
      /** Whether connections outlive their links; an agent of an earlier version can't keep them. */
      holds: Type.Optional(Type.Boolean()),
    }),
  ),
  /** When it stops by itself, as far as is known: `…/activity` says why. */
  ends: Type.Optional(
    Type.Object({
      at: text,
      because: Type.Union([Type.Literal('inactivity'), Type.Literal('lifetime')]),
      /** Soon enough to warn whoever works in it. */
      isNear: Type.Boolean(),
      /** Whether the reader may put it off. */
      canKeep: Type.Boolean(),
    }),
  ),
})
export type WorkspaceView = Immutable<Static<typeof WorkspaceSchema>>
export type WorkspacePortView = WorkspaceView['ports'][number]

export const WorkspaceListSchema = Type.Object({ workspaces: Type.Array(WorkspaceSchema) })

const dnsLabel = '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'
const granteeName = Type.String({ minLength: 1, maxLength: 253 })

const GranteeSchema = Type.Object(
  {
    kind: Type.Union([Type.Literal('User'), Type.Literal('Group'), Type.Literal('ServiceAccount')]),
    name: granteeName,
    /** Of a ServiceAccount alone. */
    namespace: Type.Optional(Type.String({ pattern: dnsLabel })),
  },
  { additionalProperties: false },
)

/** What `POST …/shares` accepts. Closed, so that a misspelt `expiresAt` never makes a share that lasts for ever. */
export const ShareInputSchema = Type.Object(
  {
    grantees: Type.Array(GranteeSchema, { minItems: 1, maxItems: 100 }),
    access: Type.Union([Type.Literal('connect'), Type.Literal('modify'), Type.Literal('own')], { default: 'connect' }),
    /** Names of ports; absent: all. */
    ports: Type.Optional(Type.Array(Type.String({ pattern: dnsLabel }), { minItems: 1, maxItems: 32 })),
    /** Absent: all but `port-forward`, which has to be named. */
    connectionTypes: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 63 }), { minItems: 1, maxItems: 16 }),
    ),
    /** RFC 3339; from that instant on it grants nothing. */
    expiresAt: Type.Optional(Type.String({ maxLength: 40 })),
    /** Names of further workspaces of the same namespace. */
    workspaces: Type.Optional(Type.Array(granteeName, { maxItems: 49 })),
  },
  { additionalProperties: false },
)
export type ShareInput = Immutable<Static<typeof ShareInputSchema>>
export type GranteeInput = ShareInput['grantees'][number]

export const ShareSchema = Type.Object({
  name: text,
  /** Who made it through Gatehouse; `''` for one made elsewhere. */
  createdBy: text,
  createdAt: text,
  grantees: Type.Array(GranteeSchema),
  access: ShareInputSchema.properties.access,
  ports: Type.Optional(Type.Array(text)),
  connectionTypes: Type.Optional(Type.Array(text)),
  expiresAt: Type.Optional(text),
  /** Every workspace it covers, by name. */
  workspaces: Type.Array(text),
  status: Type.Object({ accepted: Type.Boolean(), reason: text, message: text }),
})
export type ShareView = Immutable<Static<typeof ShareSchema>>

export const ShareListSchema = Type.Object({ shares: Type.Array(ShareSchema) })

/** `GET …/explain`: may this person open it, and why. */
export const ExplanationSchema = Type.Object({
  allowed: Type.Boolean(),
  grant: Type.Optional(text),
  reason: text,
  checks: Type.Array(Type.Object({ check: text, passed: Type.Boolean(), detail: text })),
})
export type Explanation = Immutable<Static<typeof ExplanationSchema>>

export const SessionSchema = Type.Object({
  name: text,
  kind: Type.Union([Type.Literal('browser'), Type.Literal('cli'), Type.Literal('machine')]),
  /** Whether it is the one that asks. */
  current: Type.Boolean(),
  username: text,
  issuer: text,
  userAgent: text,
  /** What its person calls the machine; command lines alone have it. */
  device: Type.Optional(text),
  createdAt: text,
  expiresAt: text,
  notAfter: text,
})
export type SessionView = Immutable<Static<typeof SessionSchema>>

/** A manifest that can't be used, or only in its last good version. */
export const ManifestProblemSchema = Type.Object({ file: text, line: Type.Integer(), reason: text })
export type ManifestProblem = Immutable<Static<typeof ManifestProblemSchema>>

/** An admission policy that a cluster does not have, and what is off without it. */
export const MissingPolicySchema = Type.Object({ policy: text, consequence: text })
export type MissingPolicy = Immutable<Static<typeof MissingPolicySchema>>

export const LogLinesSchema = Type.Object({ lines: Type.Array(text) })

/** What a command line posts to get its secret. */
export const CliTokenRequestSchema = Type.Object({
  code: Type.String({ maxLength: 8192 }),
  verifier: Type.String({ maxLength: 128 }),
})

export const CliTokenSchema = Type.Object({
  /** Sent as `Authorization: Bearer`. */
  secret: text,
  username: text,
  session: text,
  expiresAt: text,
  notAfter: text,
})
export type CliToken = Immutable<Static<typeof CliTokenSchema>>

/** `POST /.gatehouse/cli/renew`: how long the login of a command line is good now. */
export const CliRenewalSchema = Type.Object({ expiresAt: text, notAfter: text })
export type CliRenewal = Immutable<Static<typeof CliRenewalSchema>>
