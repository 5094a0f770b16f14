/**
 * What the owner of a Workspace says in annotations where its schema has no field for it. Beside jupyter-k8s the schema is not ours, and the API
 * server drops what it doesn't know; annotations need no schema. Gatehouse reads them and never writes one: jupyter-k8s copies them into the
 * pod, so that a change restarts what runs.
 *
 * | annotation | stands for | |
 * |---|---|---|
 * | `gatehouse.dev/ports` | `spec.ports` | JSON: `[{"name": "app", "port": 8501, "path": "strip"}]` |
 * | `gatehouse.dev/manager` | `spec.managerRef.name` | |
 * | `gatehouse.dev/execution-profile` | `spec.executionProfileRef.name` | |
 *
 * A field that is there counts, and its annotation does not.
 */
import { GatewayError } from '#errors.ts'

export const portsAnnotation = 'gatehouse.dev/ports'
export const managerAnnotation = 'gatehouse.dev/manager'
export const executionProfileAnnotation = 'gatehouse.dev/execution-profile'

/**
 * The spec with those fields, unchecked. Throws `invalid_resource` for ports that are no JSON: the owner wanted something else than the default port,
 * and a guess might show what he meant to hide.
 */
export function withAnnotatedFields(spec: unknown, annotations: Readonly<Record<string, string>>): unknown {
  if (typeof spec !== 'object' || spec === null) return spec
  const ports = annotations[portsAnnotation]
  const manager = annotations[managerAnnotation]
  const profile = annotations[executionProfileAnnotation]
  return {
    ...(ports === undefined || 'ports' in spec ? {} : { ports: parsePorts(ports) }),
    ...(manager === undefined ? {} : { managerRef: { name: manager } }),
    ...(profile === undefined ? {} : { executionProfileRef: { name: profile } }),
    ...spec,
  }
}

function parsePorts(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new GatewayError('invalid_resource', `the annotation ${portsAnnotation} is no JSON`, { cause: error })
  }
}
