/** Names as RFC 1123 and Kubernetes allow them: lower case, digits, hyphens; dots between labels of a subdomain. */

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

export function isDnsLabel(value: string): boolean {
  return label.test(value)
}

export function isDnsSubdomain(value: string): boolean {
  return value.length <= 253 && value.split('.').every(isDnsLabel)
}
