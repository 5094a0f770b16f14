/** `npm run soak -- --minutes 10`: says what grew, and fails when anything did. As many idle sockets as in every other run of it. */
import { parseArgs } from 'node:util'
import { describeReport, soak } from './soak.ts'
import { verdict } from './verdict.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    tabs: { type: 'string', default: '50' },
    sockets: { type: 'string', default: '5000' },
  },
})
const report = await soak({
  ...{ minutes: Number(values.minutes), tabs: Number(values.tabs), idleSockets: Number(values.sockets) },
  onSample: ({ at, rss, own, heap, heapTotal, external, fds, streams }) =>
    process.stdout.write(
      `${at.toFixed(2)} min: RSS ${(rss / 2 ** 20).toFixed(1)} MB, its own ${(own / 2 ** 20).toFixed(1)} MB, heap ${(heap / 2 ** 20).toFixed(1)} of ${(heapTotal / 2 ** 20).toFixed(1)} MB, external ${(external / 2 ** 20).toFixed(1)} MB, ${fds} fds, ${streams} streams\n`,
    ),
})
process.stdout.write(`${describeReport(report)}\n`)
const faults = verdict(report)
for (const fault of faults) process.stdout.write(`NOT FLAT: ${fault}\n`)
process.exit(faults.length === 0 ? 0 : 1)
