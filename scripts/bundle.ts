/**
 * `npm run bundle`: the command line as one file, `dist/gatehouse.cjs`, for Node 22 and newer; or into the folder that is named. CommonJS, because
 * such a file runs under any name: without an extension, and without a package.json beside it.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')

const whenNeeded = '\0when-needed:'

/**
 * Each module of Node's own is loaded with the first of ours that needs it. Otherwise all of them stand at the top of the file, and whoever waits for a
 * certificate that is there already waits for TLS, HTTP and processes too.
 */
const nodeWhenNeeded: Plugin = {
  name: 'node-when-needed',
  resolveId(source, importer) {
    if (!source.startsWith('node:')) return null
    return importer?.startsWith(whenNeeded) ? { id: source, external: true } : whenNeeded + source
  },
  load(id) {
    if (!id.startsWith(whenNeeded)) return null
    const code = `module.exports = require('${id.slice(whenNeeded.length)}')`
    return { code, moduleType: 'js', moduleSideEffects: false }
  },
}

/** The path of the file. Whoever reads it meanwhile has the one before. */
export async function bundleCommandLine(folder: string): Promise<string> {
  const [early, whole] = await Promise.all([bundled('src/cli/early.ts'), bundled('src/cli/main.ts')])
  mkdirSync(folder, { recursive: true })
  const draft = join(folder, `.gatehouse.${process.pid}.cjs`)
  const text = `${inOne(early.code, whole.code)}\n${notices([...early.moduleIds, ...whole.moduleIds])}`
  writeFileSync(draft, text, { mode: 0o755 })
  const file = join(folder, 'gatehouse.cjs')
  renameSync(draft, file)
  return file
}

async function bundled(input: string): Promise<{ readonly code: string; readonly moduleIds: readonly string[] }> {
  await using bundle = await rolldown({
    input: join(root, input),
    cwd: root,
    platform: 'node',
    plugins: [nodeWhenNeeded],
    transform: { target: 'node22' },
    // What could not be found would be missing on the other machine.
    onLog(_level, log) {
      throw new Error(log.message)
    },
  })
  const { output } = await bundle.generate({ format: 'cjs', codeSplitting: false, minify: true })
  const [first, ...others] = output
  if (others.length > 0) throw new Error('the command line would be more than one file')
  return first
}

/** What ends a comment, as it stands in one. */
const commentEnd = '*@/'

/**
 * Two parts: what is run first, and all of it as a comment, which is compiled when it is needed. The engine reads over a comment; to read code, even such as is never
 * run, took more than half of the time in which nothing but a certificate was looked at. Whoever pipes it into Node has no file: what Node calls it by then
 * is a name within the current folder, where anything may lie.
 */
function inOne(early: string, whole: string): string {
  if (whole.includes(commentEnd)) throw new Error(`the command line has '${commentEnd}' in it`)
  return `#!/usr/bin/env node
const first = {};
(function (exports) {
${early}
})(first);
first.early(process).then((isDone) => {
  if (isDone) return;
  const refuse = (why) => {
    process.stderr.write('gatehouse: ' + why + '\\n');
    process.exitCode = 1;
  };
  const { isAbsolute } = require('node:path');
  if (!isAbsolute(__filename)) return refuse('it reads the rest of itself from its file: save it, and run that');
  const { compileFunction, constants } = require('node:vm');
  const [, rest] = require('node:fs').readFileSync(__filename, 'utf8').split('\\n/*' + ' all of it\\n');
  if (rest === undefined) return refuse('it was replaced while it began: run it again');
  const code = rest.slice(0, rest.indexOf('*' + '/')).replaceAll('${commentEnd}', '*' + '/');
  const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
  const names = ['exports', 'require', 'module', '__filename', '__dirname'];
  compileFunction(code, names, { filename: __filename, importModuleDynamically })(exports, require, module, __filename, __dirname);
});
/* all of it
${whole.replaceAll('*/', commentEnd)}
*/`
}

/** What the licences of packages that are in it ask of copies. */
function notices(moduleIds: readonly string[]): string {
  const folders = moduleIds.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? [])
  const texts = [...new Set(folders)].sort().map((folder) => {
    const name = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
    if (name === undefined) throw new Error(`${folder} has no licence`)
    return `${basename(folder)}\n\n${readFileSync(join(folder, name), 'utf8').replaceAll('*/', '* /').trim()}\n`
  })
  return `/*\n${texts.join('\n')}*/\n`
}

if (import.meta.main) {
  const file = await bundleCommandLine(resolve(process.argv[2] ?? join(root, 'dist')))
  process.stdout.write(`${file}: ${Math.round(statSync(file).size / 1024)} KB\n`)
}
