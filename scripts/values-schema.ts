/**
 * What the values of the chart may be, for helm to judge before anything is installed: a misspelt value must not be a silent default.
 * Settings and the spec of the manager go by the gateway's own schemas.
 */
import { formats } from '#settings/formats.ts'
import { managedSchema } from '#settings/managed-schema.ts'
import { machineSchema, settingsSchema } from '#settings/schema.ts'

type Schema = Readonly<Record<string, unknown>>

const text = { type: 'string' }
const flag = { type: 'boolean' }
const count = { type: 'integer', minimum: 0 }
const name = { type: 'string', pattern: '^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$' }
const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
const list = (items: Schema) => ({ type: 'array', items })
const texts = { type: 'object', additionalProperties: text }
const portNumber = { type: ['integer', 'null'], minimum: 1, maximum: 65535 }
/** Kubernetes judges these. */
const object = { type: 'object' }
const keys = (properties: Schema, required: readonly string[] = []) => ({
  ...{ type: 'object', additionalProperties: false, properties },
  ...(required.length > 0 ? { required } : {}),
})

export function valuesSchema(): string {
  const schema = { $schema: 'https://json-schema.org/draft-07/schema#', title: 'Values of Gatehouse', ...values() }
  return `${JSON.stringify(schema, null, 2)}\n`
}

function values(): Schema {
  return keys({
    ...deployment(),
    // Helm's own.
    global: object,
    namespaces: { ...list({ type: 'string', pattern: `^${label}$` }), uniqueItems: true },
    manager: keys({ create: flag, name, servesUnclaimed: flag, clientSecrets: list(name), spec: managerSpec() }),
    tls: keys({ secretName: name }),
    peers: keys({ secretName: name }),
    http2: { type: ['boolean', 'null'] },
    service: keys({ type: { enum: ['ClusterIP', 'NodePort', 'LoadBalancer'] }, annotations: texts, port: portNumber }),
    trustedProxies: list(text),
    proxyProtocolFrom: list(text),
    machines: list(asWritten(machineSchema)),
    settings: { ...asWritten(settingsSchema), required: [] },
    policies: keys({
      create: { type: ['boolean', 'null'] },
      gateways: list({
        type: 'string',
        pattern: `^system:serviceaccount:${label}:[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`,
      }),
    }),
    tokenReview: flag,
    workspaceLogs: keys({ enabled: flag }),
    serviceAccount: keys({ name, annotations: texts }),
  })
}

function deployment(): Schema {
  return {
    image: keys({ repository: text, tag: text, pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] } }),
    imagePullSecrets: list(keys({ name })),
    replicas: { type: 'integer', minimum: 1 },
    resources: object,
    podDisruptionBudget: keys({ minAvailable: { type: ['integer', 'string', 'null'], minimum: 0 } }),
    endpointDelaySeconds: count,
    terminationGracePeriodSeconds: count,
    hostAliases: list(keys({ ip: text, hostnames: list(text) }, ['ip', 'hostnames'])),
    podAnnotations: texts,
    podLabels: texts,
    nodeSelector: texts,
    tolerations: list(object),
    affinity: object,
    topologySpreadConstraints: list(object),
    env: list(object),
    volumes: list(object),
    volumeMounts: list(object),
  }
}

/** An empty domain is what the values begin with; the chart says what is missing better than a schema does. */
function managerSpec(): Schema {
  const { properties, required: _, ...spec } = asWritten(managedSchema)
  return { ...spec, properties: { ...(isSchema(properties) ? properties : {}), domain: text } }
}

/**
 * What has a default may be left out. The names of formats are the gateway's own, and `duration` means something else to helm: what they mean stands
 * there instead.
 */
function asWritten(schema: object): Schema {
  const plain: Schema = JSON.parse(JSON.stringify(schema))
  return rewritten(plain)
}

function rewritten(schema: Schema): Schema {
  const { default: _, format, required, properties, ...rest } = schema
  const known = isSchema(properties) ? properties : {}
  const hasDefault = (key: unknown) => {
    const child = typeof key === 'string' ? known[key] : undefined
    return isSchema(child) && 'default' in child
  }
  const needed = Array.isArray(required) ? required.filter((key) => !hasDefault(key)) : []
  return {
    ...mapValues(rest, (value) => (Array.isArray(value) ? value.map(inner) : inner(value))),
    ...(isSchema(properties) ? { properties: mapValues(properties, inner) } : {}),
    ...(needed.length > 0 ? { required: needed } : {}),
    ...(typeof format === 'string' ? { $comment: formats.get(format)?.meaning ?? format } : {}),
  }
}

function inner(value: unknown): unknown {
  return isSchema(value) ? rewritten(value) : value
}

function mapValues(table: Schema, change: (value: unknown) => unknown): Schema {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [key, change(value)]))
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
