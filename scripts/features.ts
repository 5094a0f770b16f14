/**
 * `npm run features`: which rows of `test/features.json` the last full test run has shown, and the last `npm run huge` and `npm run many:cluster`,
 * whose bodies of 10 GB and 5,000 Workspaces are in no other run. `-- --json` prints them as JSON.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  type FeatureList,
  type FeatureRow,
  featureRows,
  joinReports,
  parseFeatureList,
  parseTestReport,
  unknownIds,
} from './feature-rows.ts'

const root = join(import.meta.dirname, '..')

/** Of runs that are too large to be a part of every one. */
const furtherReports = ['huge-report.json', 'many-report.json']

function main(): number {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
  const features = parseFeatureList(readFileSync(join(root, 'test', 'features.json'), 'utf8'))
  let text: string
  try {
    text = readFileSync(join(root, 'artefacts', 'test-report.json'), 'utf8')
  } catch {
    process.stderr.write('features: there is no report of a test run; run "npm test" first\n')
    return 1
  }
  const more = furtherReports
    .map((name) => join(root, 'artefacts', name))
    .filter((path) => existsSync(path))
    .map((path) => parseTestReport(readFileSync(path, 'utf8')))
  const report = joinReports(parseTestReport(text), more)
  const rows = featureRows(features, report)
  process.stdout.write(values.json ? `${JSON.stringify(rows)}\n` : table(features, rows))
  const unknown = unknownIds(features, report)
  if (unknown.length === 0) return 0
  process.stderr.write(`features: no such clauses: ${unknown.join(', ')}\n`)
  return 1
}

function table(features: FeatureList, rows: readonly FeatureRow[]): string {
  const capabilities = new Map(features.map((feature) => [feature.id, feature.capability]))
  const lines = rows.map(({ id, status, clauses }) => {
    const shown = clauses.filter((clause) => clause.laptop + clause.cluster > 0).length
    return `${id.padEnd(6)}${status.padEnd(9)}${`${shown}/${clauses.length}`.padEnd(6)}${capabilities.get(id) ?? ''}`
  })
  const count = (status: FeatureRow['status']) => rows.filter((row) => row.status === status).length
  return `${lines.join('\n')}\n\n${count('works')} work, ${count('partial')} partial, ${count('missing')} missing\n`
}

process.exitCode = main()
