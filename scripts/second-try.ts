/**
 * Runs the few test files that failed in the last run once more, one at a time on a machine that does nothing else: what fails again has failed. What
 * passes then is named, since it depends on how busy a machine is and is to be mended; the report of the run has it as passed. Nothing about attacks
 * is tried twice, but for what has its seconds: a refusal that fails once in a hundred times is a hole.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseTestReport, type TestReport } from './feature-rows.ts'

/** More of them are no accident. */
const mostFiles = 4
const neverAgain = ['test/security/', 'test/fuzz/', 'test/architecture/']
/** Of the list of attacks: what is asked for within seconds, and what happens to machines. */
const dependsOnTime = new Set([48, 81, 82, 83, 84, 85])

const root = join(import.meta.dirname, '..')
const firstReport = join(root, 'artefacts', 'test-report.json')
const unhandled = join(root, 'artefacts', 'unhandled-errors')
const secondReport = join(root, 'artefacts', 'second-report.json')
const say = (text: string) => void process.stdout.write(`second try: ${text}\n`)

function main(): number {
  const first = read(firstReport)
  const failed = first.testResults.filter(({ status }) => status === 'failed')
  const files = failed.map(({ name }) => relative(root, name).replaceAll('\\', '/'))
  if (files.length === 0) return refuse('no file failed, and yet it did')
  if (readFileSync(unhandled, 'utf8') !== '0\n') return refuse('something was thrown that no test waited for')
  if (files.length > mostFiles) return refuse(`${files.length} files failed`)
  const attack =
    files.find((file) => neverAgain.some((folder) => file.startsWith(folder))) ??
    failed.flatMap(titlesOfFailed).find(isAttack)
  if (attack !== undefined) return refuse(`${attack} has to pass each time`)
  const args = ['--no-file-parallelism', '--reporter=default', '--reporter=json', `--outputFile.json=${secondReport}`]
  const { status } = spawnSync('vitest', ['run', ...files, ...args], { cwd: root, stdio: 'inherit' })
  if (status !== 0) return refuse('it failed again')
  const second = read(secondReport)
  for (const file of failed) {
    const titles = titlesOfFailed(file)
    // Where what comes before its tests failed, none of them has.
    for (const title of titles.length > 0 ? titles : ['all of it'])
      say(`passed, alone: ${relative(root, file.name)}: ${title}`)
  }
  writeFileSync(firstReport, JSON.stringify(withSecondTry(first, second)))
  return 0
}

/** In whatever folder. */
function isAttack(title: string): boolean {
  const numbers = /^(?:\[[A-Z0-9.]+\] )*((?:#\d+ )+)/.exec(title)?.[1]?.match(/\d+/g) ?? []
  return numbers.some((number) => !dependsOnTime.has(Number(number)))
}

function titlesOfFailed({ assertionResults }: TestReport['testResults'][number]): readonly string[] {
  return assertionResults.filter(({ status }) => status === 'failed').map(({ title }) => title)
}

function read(path: string): TestReport {
  return parseTestReport(readFileSync(path, 'utf8'))
}

function refuse(why: string): number {
  say(why)
  return 1
}

/** The report of the first run, with the second try's results of the files that were tried again. */
function withSecondTry(first: TestReport, second: TestReport): TestReport {
  const again = new Map(second.testResults.map((file) => [file.name, file]))
  const testResults = first.testResults.map((file) => again.get(file.name) ?? file)
  const count = (...statuses: string[]) =>
    testResults.flatMap((file) => file.assertionResults).filter(({ status }) => statuses.includes(status)).length
  return {
    success: testResults.every(({ status }) => status === 'passed'),
    numPassedTests: count('passed'),
    numFailedTests: count('failed'),
    numPendingTests: count('skipped', 'pending'),
    numTodoTests: count('todo'),
    testResults,
  }
}

process.exitCode = main()
