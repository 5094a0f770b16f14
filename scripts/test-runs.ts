/**
 * All tests, as `vitest run` does them, on a machine that has a cluster: while those in it wait for the cluster, what needs this machine alone and claims
 * no short times goes on beside them, one file at a time and behind everybody else. What claims times under a load of its own comes when all else is done.
 * One report of it all, as that of `vitest run`; without one, when any of the runs has left none. With arguments it is `vitest run` with them.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseTestReport, type TestReport } from './feature-rows.ts'

interface Run {
  readonly projects: readonly string[]
  /** One file at a time, with what the others leave of the processors. */
  readonly isBehind?: boolean
}

/** Those of a row at the same time, row after row. */
const rows: readonly (readonly Run[])[] = [
  [{ projects: ['cluster', 'machine', 'together'] }, { projects: ['beside'], isBehind: true }],
  [{ projects: ['alone'] }],
]

const root = join(import.meta.dirname, '..')
const artefacts = join(root, 'artefacts')
/** Where `vitest.config.ts` puts what it says of a run of everything. */
const reportIn = (folder: string) => join(folder, 'test-report.json')
const unhandledIn = (folder: string) => join(folder, 'unhandled-errors')
const folderOf = ({ projects }: Run) => join(artefacts, 'parts', projects.join('-'))

async function main(chosen: readonly string[]): Promise<number> {
  if (chosen.length > 0) return (await spawned('vitest', ['run', ...chosen])) ?? 1
  for (const path of [join(artefacts, 'parts'), reportIn(artefacts), unhandledIn(artefacts)])
    rmSync(path, { recursive: true, force: true })
  const codes: (number | null)[] = []
  for (const row of rows) codes.push(...(await Promise.all(row.map(run))))
  const folders = rows.flat().map(folderOf)
  const reports = folders.map((folder) => parseTestReport(readFileSync(reportIn(folder), 'utf8')))
  const unhandled = folders.map((folder, at) => {
    const count = Number(readFileSync(unhandledIn(folder), 'utf8'))
    // One that failed and names no test that did is not forgiven for another one's.
    return count + (codes[at] !== 0 && reports[at]?.success ? 1 : 0)
  })
  writeFileSync(reportIn(artefacts), JSON.stringify(whole(reports)))
  writeFileSync(unhandledIn(artefacts), `${unhandled.reduce((sum, count) => sum + count, 0)}\n`)
  return codes.every((code) => code === 0) ? 0 : 1
}

async function run(one: Run): Promise<number | null> {
  const vitest = ['vitest', 'run', ...one.projects.map((name) => `--project=${name}`)]
  const [program = '', ...args] = one.isBehind ? ['nice', '-n', '5', ...vitest, '--no-file-parallelism'] : vitest
  const env = { ...process.env, GATEHOUSE_TEST_REPORTS: folderOf(one) }
  return spawned(program, args, env)
}

async function spawned(program: string, args: readonly string[], env = process.env): Promise<number | null> {
  const [code] = await once(spawn(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env }), 'exit')
  return code
}

function whole(reports: readonly TestReport[]): TestReport {
  const sum = (count: (report: TestReport) => number) => reports.reduce((total, report) => total + count(report), 0)
  return {
    success: reports.every(({ success }) => success),
    numPassedTests: sum(({ numPassedTests }) => numPassedTests),
    numFailedTests: sum(({ numFailedTests }) => numFailedTests),
    numPendingTests: sum(({ numPendingTests }) => numPendingTests),
    numTodoTests: sum(({ numTodoTests }) => numTodoTests),
    testResults: reports.flatMap(({ testResults }) => testResults),
  }
}

process.exitCode = await main(process.argv.slice(2))
