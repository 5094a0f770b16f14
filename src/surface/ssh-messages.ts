/** What the endpoints below `/.gatehouse/ssh/` say and accept. All times are RFC 3339. */
import Type, { type Static } from 'typebox'
import type { Immutable } from './messages.ts'

const text = Type.String()

/** `POST …/ssh/certificate`. */
export const SshCertificateRequestSchema = Type.Object(
  {
    /** A line as in `id_ed25519.pub`; no other kind of key is signed. */
    publicKey: Type.String({ maxLength: 2048 }),
    workspaces: Type.Array(
      Type.Object(
        { namespace: Type.String({ maxLength: 63 }), name: Type.String({ maxLength: 253 }) },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 20 },
    ),
    /** What is going to be opened with it: `ssh-remote`, `vscode-remote`. */
    connectionType: Type.Optional(Type.String({ maxLength: 63 })),
    /** May the agent of the person's own machine be reached from within? Not unless it is asked for. */
    agentForwarding: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
export type SshCertificateRequest = Immutable<Static<typeof SshCertificateRequestSchema>>

/** Lines that make whoever keeps them trust this Gatehouse. Keys that overlap are all there. */
export const SshTrustSchema = Type.Object({
  deployment: text,
  /** The aliases that its hosts are known by. */
  hosts: text,
  /** For `User`: who somebody is within a workspace. */
  user: text,
  /** For `UserKnownHostsFile`: `@cert-authority`, pattern, key. */
  knownHosts: Type.Array(text),
  /** For `TrustedUserCAKeys`. */
  userAuthorities: Type.Array(text),
})
export type SshTrust = Immutable<Static<typeof SshTrustSchema>>

export const SshCertificateSchema = Type.Object({
  /** For `CertificateFile`. */
  certificate: text,
  /** Those of the workspaces asked for that it is good for; one at least. */
  workspaces: Type.Array(Type.Object({ namespace: text, name: text, alias: text })),
  /** Decimal: more than a number of JSON can hold. */
  serial: text,
  validFrom: text,
  validUntil: text,
  trust: SshTrustSchema,
})
export type SshCertificateView = Immutable<Static<typeof SshCertificateSchema>>

/** `POST …/ssh/host-certificate`. */
export const SshHostCertificateRequestSchema = Type.Object(
  { publicKey: Type.String({ maxLength: 2048 }) },
  { additionalProperties: false },
)
export type SshHostCertificateRequest = Immutable<Static<typeof SshHostCertificateRequestSchema>>

export const SshHostCertificateSchema = Type.Object({
  /** For `HostCertificate`. */
  certificate: text,
  /** What clients call the workspace. */
  alias: text,
  /** For `AuthorizedPrincipalsFile`, one a line. */
  principals: Type.Array(text),
  validUntil: text,
  trust: SshTrustSchema,
})
export type SshHostCertificateView = Immutable<Static<typeof SshHostCertificateSchema>>
