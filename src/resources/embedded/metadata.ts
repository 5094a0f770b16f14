/** Checks of the metadata of an object, as an API server makes them. All throw `invalid_resource`. */

import { GatewayError } from '#errors.ts'
import { isDnsLabel, isDnsSubdomain } from '#lib/dns-name.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
import type { OwnerReference, Uid } from '#resources/contract.ts'

/** Kubernetes: 63 characters at most; of a key, that is the part after an optional prefix. */
const labelPart = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/

/** Kubernetes: all annotations of an object together, in bytes. */
const annotationsLimit = 256 * 1024

export function checkName(namespace: string, name: string): void {
  if (!isDnsLabel(namespace)) throw invalid(`metadata.namespace '${namespace}' is no RFC 1123 label`)
  if (!isDnsSubdomain(name)) throw invalid(`metadata.name '${name}' is no RFC 1123 subdomain`)
}

export function parseLabels(value: unknown): Readonly<Record<string, string>> {
  const labels = parseStrings(value, 'labels')
  for (const [key, text] of Object.entries(labels)) {
    checkKey(key, 'labels')
    if (text !== '' && !labelPart.test(text)) throw invalid(`metadata.labels: '${text}' is no label value`)
  }
  return labels
}

export function parseAnnotations(value: unknown): Readonly<Record<string, string>> {
  const annotations = parseStrings(value, 'annotations')
  let size = 0
  for (const [key, text] of Object.entries(annotations)) {
    checkKey(key, 'annotations')
    size += Buffer.byteLength(key) + Buffer.byteLength(text)
  }
  if (size > annotationsLimit) throw invalid(`metadata.annotations are longer than ${annotationsLimit} bytes`)
  return annotations
}

export function parseOwners(value: unknown): readonly OwnerReference[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw invalid('metadata.ownerReferences is no list')
  return value.map((owner: unknown) => {
    const { apiVersion, kind, name, uid } = isJsonObject(owner) ? owner : {}
    if (!isText(apiVersion) || !isText(kind) || !isText(name) || !isText(uid)) {
      throw invalid('metadata.ownerReferences need apiVersion, kind, name and uid')
    }
    // What an owner reference holds is a uid by definition; whether an object has it, is the garbage collector's question.
    return { apiVersion, kind, name, uid: uid as Uid }
  })
}

function parseStrings(value: unknown, field: string): Readonly<Record<string, string>> {
  if (value === undefined) return {}
  if (!isJsonObject(value)) throw invalid(`metadata.${field} is no object`)
  const strings: [string, string][] = []
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw invalid(`metadata.${field}: '${key}' is no string`)
    strings.push([key, text])
  }
  return Object.fromEntries(strings)
}

function checkKey(key: string, field: string): void {
  const slash = key.indexOf('/')
  const isPrefixLegal = slash < 0 || isDnsSubdomain(key.slice(0, slash))
  if (!isPrefixLegal || !labelPart.test(key.slice(slash + 1)))
    throw invalid(`metadata.${field}: '${key}' is no legal key`)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function invalid(message: string): GatewayError {
  return new GatewayError('invalid_resource', message)
}
