/** Says at the end of a run which suites were skipped as a whole, and why: their titles say what would provide the missing part. */
import type { Reporter, TestModule, TestSuite } from 'vitest/node'

export class SkippedSuites implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const suites = modules.flatMap((module) => [...module.children.suites()]).filter(isSkipped)
    if (suites.length === 0) return
    const lines = suites.map((suite) => `  ${suite.fullName}`)
    process.stdout.write(`\nSkipped suites:\n${lines.join('\n')}\n`)
  }
}

function isSkipped(suite: TestSuite): boolean {
  return suite.options.mode === 'skip'
}
