/** Amounts as Kubernetes writes them: `8Gi`, `1.5G`, `512M`, or a plain number. */

const written = /^([0-9]{1,15}(?:\.[0-9]{1,9})?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/

const factors: ReadonlyMap<string, number> = new Map([
  ...([
    ['m', 1e-3],
    ['k', 1e3],
    ['M', 1e6],
    ['G', 1e9],
    ['T', 1e12],
    ['P', 1e15],
  ] as const),
  ...([
    ['Ki', 2 ** 10],
    ['Mi', 2 ** 20],
    ['Gi', 2 ** 30],
    ['Ti', 2 ** 40],
    ['Pi', 2 ** 50],
  ] as const),
])

/** `undefined` for what is none. */
export function parseQuantity(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : undefined
  const parts = typeof value === 'string' ? written.exec(value) : null
  return parts === null ? undefined : Number(parts[1]) * (parts[2] === undefined ? 1 : (factors.get(parts[2]) ?? 1))
}
