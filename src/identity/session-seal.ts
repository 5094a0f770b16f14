/**
 * The seal of a session's record: `kid.mac`, HMAC-SHA256 under the key ring over whom the record speaks for, and until when. Whoever may write records
 * can end sessions by that; to put another name into one he would need a key as well.
 *
 * Not under the seal: the tokens, which are sealed by themselves, and who claims the next renewal. A whole record, put back as it was a while ago, is good
 * again as far as its own times go.
 */
import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { KeyRing } from './key-ring.ts'
import type { SessionName } from './session.ts'
import type { SessionSpec, WorkspaceSession } from './session-record.ts'

export type SealFinding =
  | { readonly kind: 'intact' }
  /** Written by hand, or by a Gatehouse that did not seal. */
  | { readonly kind: 'unsealed' }
  | { readonly kind: 'altered' }
  /** Of a key that was taken out of the ring, that is too new to be known here, or that never was. */
  | { readonly kind: 'unknown-key'; readonly kid: string }

const form = /^([0-9a-f]{8})\.([A-Za-z0-9_-]{43})$/

/** Throws `store_unavailable` while there is no key. */
export function sealed(keyRing: KeyRing, name: SessionName, spec: SessionSpec): SessionSpec {
  const key = keyRing.current()
  return { ...spec, seal: `${key.kid}.${macOf(key.records, name, spec)}` }
}

export function sealFinding(keyRing: KeyRing, { metadata, spec }: WorkspaceSession): SealFinding {
  if (spec.seal === undefined) return { kind: 'unsealed' }
  const [, kid, mac] = form.exec(spec.seal) ?? []
  if (kid === undefined || mac === undefined) return { kind: 'altered' }
  const key = keyRing.find(kid)
  if (!key) return { kind: 'unknown-key', kid }
  // As with cookies the texts are compared: of several spellings of the same bytes one is ours.
  const isOurs = timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(key.records, metadata.name, spec)))
  return { kind: isOurs ? 'intact' : 'altered' }
}

function macOf(key: KeyObject, name: string, spec: SessionSpec): string {
  const { kind, issuer, subject, username, uid, groups, sid, userAgent, device } = spec
  const { createdAt, expiresAt, notAfter } = spec
  // A JSON array, because no two lists of values have the same one. The first names the fields that follow.
  const fields = [
    ...['gatehouse-session-1', name, kind, issuer, subject, username, uid, groups],
    ...[sid ?? null, userAgent, device ?? null, createdAt, expiresAt, notAfter],
  ]
  return createHmac('sha256', key).update(JSON.stringify(fields, wellFormed)).digest('base64url')
}

/** An API server puts U+FFFD in the place of half a surrogate pair. */
function wellFormed(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed() : value
}
