import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as rules from './rules.ts'
import { readSources, root, type SourceFile, sourceFile } from './source-files.ts'

const sources = readSources(['src', 'routes'])

/** Nothing is decided by the time they read or wait for. */
const timeExceptions: rules.TimeExceptions = new Map([
  ['src/lib/stay-alive.ts', 'its timer only keeps the process alive, and decides nothing'],
  ['src/identity/issuer.ts', 'tells openid-client, which reads real time, how far our clock is from it'],
])

function dependencies(): readonly string[] {
  const text: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const isObject = typeof text === 'object' && text !== null && 'dependencies' in text
  return isObject ? Object.keys(text.dependencies ?? {}) : []
}

interface Law {
  readonly rule: rules.Rule
  /** A small project that breaks the rule. */
  readonly broken: Readonly<Record<string, string>>
}

const laws: Readonly<Record<string, Law>> = {
  'imports go down the layers': {
    rule: rules.importsGoDown,
    broken: { 'src/lib/a.ts': "import { x } from '#workspace/x.ts'" },
  },
  'every folder has a layer': { rule: rules.everyFolderHasALayer, broken: { 'src/stuff/a.ts': '' } },
  'the proxy knows no workspace': {
    rule: rules.importsGoDown,
    broken: { 'src/proxy/a.ts': "import type { WorkspaceRef } from '#surface/workspace-ref.ts'" },
  },
  'the gateway is imported by the composition alone': {
    rule: rules.importsGoDown,
    broken: { 'routes/a.ts': "import { gateway } from '#gateway/gateway.ts'" },
  },
  'production code imports no tests': {
    rule: rules.importsGoDown,
    broken: { 'src/main.ts': "const x = await import('#test/support/fake-clock.ts')" },
  },
  'imports are ./ within a folder and # across': {
    rule: rules.importsAreWrittenOneWay,
    broken: { 'src/lib/a.ts': "import { x } from '../http/x.ts'" },
  },
  'imports within a folder are ./': {
    rule: rules.importsAreWrittenOneWay,
    broken: { 'src/lib/a.ts': "import { x } from '#lib/x.ts'" },
  },
  'packages are declared dependencies': {
    rule: rules.packagesAreDeclared(dependencies()),
    broken: { 'src/lib/a.ts': "import { x } from 'left-pad'" },
  },
  'there are no cycles': {
    rule: rules.noCycles,
    broken: { 'src/lib/a.ts': "import './b.ts'", 'src/lib/b.ts': "import type { A } from '#lib/a.ts'" },
  },
  'nothing is re-exported': { rule: rules.noReexports, broken: { 'src/lib/a.ts': "export { x } from './b.ts'" } },
  'nothing is a default export': { rule: rules.noDefaultExports, broken: { 'src/lib/a.ts': 'export default 1' } },
  'nothing is any': { rule: rules.noAny, broken: { 'src/lib/a.ts': 'const a: any = 1' } },
  'nothing is asserted with !': { rule: rules.noAssertedValues, broken: { 'src/lib/a.ts': 'a.b(c[0]!).d' } },
  'the type checker is not silenced': {
    rule: rules.noSilencedChecks,
    broken: { 'src/lib/a.ts': '// @ts-expect-error why not' },
  },
  'nothing talks to the console': { rule: rules.noConsole, broken: { 'src/lib/a.ts': "console.log('a')" } },
  'the environment is read by settings alone': {
    rule: rules.noEnvironment,
    broken: { 'src/lib/a.ts': 'const a = process.env.HOME' },
  },
  'routing never uses the URL parser': {
    rule: rules.noUrlParser,
    broken: { 'src/http/a.ts': 'const a = new URL(request.url)' },
  },
  'time goes through the clock': {
    rule: rules.timeThroughTheClock(timeExceptions),
    broken: { 'src/lib/a.ts': 'const a = Date.now()' },
  },
  'files are short': { rule: rules.filesAreShort, broken: { 'src/lib/a.ts': '\n'.repeat(301) } },
  'casts are rare': { rule: rules.castsAreRare, broken: { 'src/lib/a.ts': 'const a = b as C\n'.repeat(10) } },
  'files are named by what is in them': { rule: rules.filesAreNamedByNouns, broken: { 'src/lib/utils.ts': '' } },
}

describe.for(Object.entries(laws))('%s', ([, { rule, broken }]) => {
  test('holds', () => {
    expect(rule(sources)).toEqual([])
  })

  test('is noticed when it does not', () => {
    const files: SourceFile[] = Object.entries(broken).map(([path, text]) => sourceFile(path, text))
    expect(rule(files)).not.toEqual([])
  })
})

test('exceptions of the clock are needed, and say why', () => {
  const rule = rules.timeThroughTheClock(new Map())
  for (const [path, why] of timeExceptions) {
    expect(rule(sources.filter((file) => file.path === path))).not.toEqual([])
    expect(why.length).toBeGreaterThan(20)
  }
})

describe('a rule is not misled', () => {
  test.each([
    ['// const a: any = process.env.X'],
    ['/* console.log(new URL(x)) */'],
    ["const a = 'console.log, process.env and Date.now as C'"],
    [['const a = `console.log $', '{b} process.env`'].join('')],
    ['const a = /[\'"`]/.test(b) // console.log'],
    ["import { a as b } from './c.ts'"],
    ["import * as b from './c.ts'"],
    ['const a = [1] as const'],
    ['if (a !== b && !c) d(!e)'],
    ['const company: Company = 1'],
  ])('by %s', (text) => {
    const file = [sourceFile('src/http/x.ts', text)]
    const wordRules = [rules.noAny, rules.noAssertedValues, rules.noConsole, rules.noEnvironment, rules.noUrlParser]
    expect(wordRules.flatMap((rule) => rule(file))).toEqual([])
    expect(rules.castsAreRare(file)).toEqual([])
  })

  test('about casts of any form', () => {
    const text = "a as B; (a as { b: C }); a as unknown as B; x as 'y'; x as `y`; as.x; basis as D[]"
    expect(rules.castsOf(sourceFile('src/lib/a.ts', text))).toBe(7)
  })
})
