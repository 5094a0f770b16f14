/**
 * Time spans in buckets. prom-client's own histogram builds a key out of label names for every span; what is timed for each request here
 * is an addition, and the text of a scrape is made when it is asked for.
 */
import { Gauge, Histogram, type Registry } from 'prom-client'
import type { Milliseconds } from '#lib/clock.ts'

export interface HistogramOptions {
  readonly name: string
  readonly help: string
  readonly label: string
  /** Upper bounds in seconds, the smallest first. */
  readonly bounds: readonly number[]
}

interface Series {
  observe(span: Milliseconds): void
}

/** Hands out one series for each value of the label, the same one each time. */
export function histogram(registry: Registry, options: HistogramOptions): (value: string) => Series {
  const buckets = new Map<string, Buckets>()
  registry.registerMetric(new TextOf(options, buckets))
  return (value) => {
    const known = buckets.get(value)
    if (known) return known
    const made = new Buckets(options.bounds)
    buckets.set(value, made)
    return made
  }
}

class Buckets implements Series {
  readonly bounds: readonly number[]
  /** Of spans up to each bound and above the one before; the last one has no bound. */
  readonly counts: number[]
  /** Seconds. */
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0)
  }

  observe(span: Milliseconds): void {
    const seconds = span / 1000
    let index = 0
    while (seconds > (this.bounds[index] ?? Number.POSITIVE_INFINITY)) index += 1
    this.counts[index] = (this.counts[index] ?? 0) + 1
    this.sum += seconds
  }
}

/** A gauge because the registry asks those for their text by `get` alone; what it says of itself is a histogram's. */
class TextOf extends Gauge<string> {
  readonly #options: HistogramOptions
  readonly #buckets: ReadonlyMap<string, Buckets>
  readonly #empty: Histogram<string>

  constructor(options: HistogramOptions, buckets: ReadonlyMap<string, Buckets>) {
    const { name, help, label } = options
    const told = { name, help, labelNames: [label], registers: [] }
    super(told)
    this.#options = options
    this.#buckets = buckets
    this.#empty = new Histogram(told)
  }

  override async get(): ReturnType<Gauge<string>['get']> {
    const text = await this.#empty.get()
    return { ...text, values: [...this.#buckets].flatMap(([value, buckets]) => this.#lines(value, buckets)) }
  }

  #lines(value: string, { bounds, counts, sum }: Buckets) {
    const { name, label } = this.#options
    const own = { [label]: value }
    let count = 0
    const lines = counts.map((inBucket, index) => {
      count += inBucket
      return { metricName: `${name}_bucket`, labels: { le: bounds[index] ?? '+Inf', ...own }, value: count }
    })
    return [
      ...lines,
      { metricName: `${name}_sum`, labels: own, value: sum },
      { metricName: `${name}_count`, labels: own, value: count },
    ]
  }
}
