/**
 * What the process itself uses, read when scraped. prom-client's own set keeps timers and observers running for each registry;
 * a gateway at rest should do nothing.
 */
import { readdir } from 'node:fs/promises'
import { type EventLoopUtilization, performance } from 'node:perf_hooks'
import { Counter, Gauge, type Registry } from 'prom-client'

export function addProcessMetrics(registry: Registry): void {
  const registers = [registry]
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time used, in seconds.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc((user + system) / 1e6)
    },
  })
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory resident now.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })
  new Gauge({
    name: 'nodejs_heap_used_bytes',
    help: 'Heap in use now.',
    registers,
    collect() {
      this.set(process.memoryUsage().heapUsed)
    },
  })
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'When the process started, in seconds since 1970.',
    registers,
    collect() {
      this.set(performance.timeOrigin / 1000)
    },
  })
  addOpenFiles(registry)
  addEventLoop(registry)
}

function addOpenFiles(registry: Registry): void {
  new Gauge({
    name: 'process_open_fds',
    help: 'File descriptors open now; absent where /proc is.',
    registers: [registry],
    async collect() {
      const entries = await readdir('/proc/self/fd').catch(() => undefined)
      if (entries) this.set(entries.length)
      else this.reset()
    },
  })
}

function addEventLoop(registry: Registry): void {
  let before: EventLoopUtilization = performance.eventLoopUtilization()
  new Gauge({
    name: 'nodejs_eventloop_utilization',
    help: 'Share of the time since the last scrape in which the event loop was busy, 0 to 1.',
    registers: [registry],
    collect() {
      const now = performance.eventLoopUtilization()
      this.set(performance.eventLoopUtilization(now, before).utilization)
      before = now
    },
  })
}
