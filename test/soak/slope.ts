/** How fast something grows. */

/** Bytes a minute that are no growth yet. */
export const mostGrowth = 2 ** 20

/** Descriptors a minute that are no growth yet: whatever part of the load left one behind each time would leave more. */
export const mostOpened = 60

export interface Sample {
  /** Minutes. */
  readonly at: number
  readonly value: number
}

/** Per minute: of the line with the least squares (0 for fewer than two samples). */
export function slopeOf(samples: readonly Sample[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [at, value] = [mean(samples.map((sample) => sample.at)), mean(samples.map((sample) => sample.value))]
  const spread = samples.reduce((sum, sample) => sum + (sample.at - at) ** 2, 0)
  const together = samples.reduce((sum, sample) => sum + (sample.at - at) * (sample.value - value), 0)
  return spread > 0 ? together / spread : 0
}

/** The least of each span of time. */
export function floorsOf(samples: readonly Sample[], span: number): readonly Sample[] {
  const spans = Map.groupBy(samples, ({ at }) => Math.floor(at / span))
  return [...spans.values()].map((all) => all.reduce((least, one) => (one.value < least.value ? one : least)))
}
