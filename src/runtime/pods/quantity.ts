/** Quantities of processors, as Kubernetes writes them (k8s.io/apimachinery, resource.Quantity). */

const scales: ReadonlyMap<string, number> = new Map([
  ['n', 1e-9],
  ['u', 1e-6],
  ['m', 1e-3],
  ['', 1],
  ['k', 1e3],
])

/** In cores; `undefined` for what is none. */
export function cpuOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : undefined
  if (typeof value !== 'string') return undefined
  const [, digits, exponent = '0', suffix = ''] =
    /^\+?(\d{1,18}(?:\.\d{0,9})?|\.\d{1,9})(?:[eE]([+-]?\d{1,2}))?([numk]?)$/.exec(value) ?? []
  const scale = scales.get(suffix)
  return digits === undefined || scale === undefined ? undefined : Number(digits) * 10 ** Number(exponent) * scale
}
