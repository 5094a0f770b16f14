/** Prints the last test run as one line, `N passed, N failed, N skipped`; fails where a test failed or none ran. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseTestReport } from './feature-rows.ts'

const report = parseTestReport(readFileSync(join(import.meta.dirname, '..', 'artefacts', 'test-report.json'), 'utf8'))
// A file that could not even be read as tests has failed, though none of its tests could be counted.
const broken = report.testResults.filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
)
const passed = report.numPassedTests
const failed = report.numFailedTests + broken.length
const skipped = report.numPendingTests + report.numTodoTests
process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`)
process.exitCode = report.success && failed === 0 && passed > 0 ? 0 : 1
