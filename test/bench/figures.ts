/** Figures of several rounds as one: the median, and how far they lie apart. */
import { median } from './measure.ts'

export interface Figure {
  readonly median: number
  readonly least: number
  readonly most: number
}

export function figureOf(values: readonly number[], digits = 2): Figure {
  const round = (value: number) => Number(value.toFixed(digits))
  return { median: round(median(values)), least: round(Math.min(...values)), most: round(Math.max(...values)) }
}

/** Of what was measured; some rounds may lack it. */
export function figureOfKnown(values: readonly number[], digits = 2): Figure {
  const known = values.filter(Number.isFinite)
  return known.length > 0 ? figureOf(known, digits) : { median: Number.NaN, least: Number.NaN, most: Number.NaN }
}

/** One's figure of each round by the other's of the same round, so that what slows the machine down slows both. */
export function ratioOf(ones: readonly number[], others: readonly number[]): Figure {
  const pairs = ones.flatMap((one, round) => {
    const other = others[round]
    return other === undefined || !Number.isFinite(one / other) ? [] : [one / other]
  })
  return figureOf(pairs)
}
