/** `npm audit` of what is shipped, at high and above; a registry that doesn't answer audits is said and not held against the project. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { Type } from 'typebox'
import { checkerOf } from '#lib/schema.ts'

const checkAnswer = checkerOf(
  Type.Object({ metadata: Type.Object({ vulnerabilities: Type.Record(Type.String(), Type.Integer()) }) }),
)

function main(): number {
  const { status, stdout } = spawnSync('npm', ['audit', '--omit=dev', '--audit-level=high', '--json'], {
    cwd: join(import.meta.dirname, '..'),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 60_000,
  })
  const counts = vulnerabilitiesIn(stdout)
  if (counts === undefined) {
    process.stdout.write('audit: skipped, the registry does not answer audits\n')
    return 0
  }
  process.stdout.write(`audit: ${JSON.stringify(counts)}\n`)
  return status === 0 ? 0 : 1
}

function vulnerabilitiesIn(stdout: string): Readonly<Record<string, number>> | undefined {
  try {
    const answer = checkAnswer(JSON.parse(stdout))
    return answer.ok ? answer.value.metadata.vulnerabilities : undefined
  } catch {
    return undefined
  }
}

process.exitCode = main()
