/**
 * Compiled code of modules, kept from one start to the next by Node (`node:module`, `enableCompileCache`).
 *
 * What is read from such a folder is run. Node compares a checksum and the hash of the source, which finds what an accident broke and nothing that
 * somebody made on purpose: whoever can write there is whoever runs. So a folder counts only where that can be nobody but those who could change
 * the program itself or are this user: {@link keepCompiled} wants a folder that this user alone may enter, {@link readCompiled} one that is root's
 * and that nobody else may write. Both look at the folders above as well, since who may rename one of them may put another one in its place.
 * A folder that does not count is passed over, and modules are compiled anew; so is each file in it that Node can't use.
 */
import { lstatSync, mkdirSync, readdirSync, realpathSync, rmdirSync, type Stats, statSync } from 'node:fs'
import { enableCompileCache, flushCompileCache } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { messageOf } from '#errors.ts'

export interface CompiledCode {
  /** Why there is none, where somebody should know. */
  readonly refusal: string | undefined
  /** Writes down what was compiled so far, for starts after this one; it takes up to half a second. Otherwise that is done when the process ends. */
  write(): void
  /** Takes away the folders that were made for it, as far as nothing is in them: this start came to nothing. */
  undo(): void
}

const nothing = () => undefined
export const noCompiledCode: CompiledCode = { refusal: undefined, write: nothing, undo: nothing }

/** A folder of one's own, which is made if need be. `userId`: `undefined` where the system has none, and nothing is kept then. */
export function keepCompiled(folder: string, userId: number | undefined): CompiledCode {
  if (userId === undefined) return noCompiledCode
  try {
    const made = mkdirSync(folder, { recursive: true, mode: 0o700 })
    const real = realOf(folder)
    const isOurs = ({ uid, mode }: Stats) => uid === userId && (mode & 0o077) === 0
    const fault = faultOf(real, isOurs, [userId, 0])
    return fault === undefined ? enable(real, () => removeEmpty(folder, made)) : refused(fault)
  } catch (error) {
    return refused(messageOf(error))
  }
}

/** What came with the program. That there is no such folder is nothing to tell. */
export function readCompiled(folder: string): CompiledCode {
  try {
    if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) return noCompiledCode
    const real = realOf(folder)
    const fault = faultOf(real, ({ uid, mode }) => uid === 0 && (mode & 0o022) === 0, [0])
    return fault === undefined ? enable(real, nothing) : refused(fault)
  } catch (error) {
    return refused(messageOf(error))
  }
}

function refused(refusal: string): CompiledCode {
  return { ...noCompiledCode, refusal }
}

/** Node takes another folder where its own variables name one, or none: a decision of who runs this. */
function enable(directory: string, undo: () => void): CompiledCode {
  // By paths relative to the folder, so that an image may be made in another place than where it runs.
  enableCompileCache({ directory, portable: true })
  return { refusal: undefined, write: flushCompileCache, undo }
}

/** No link is in it but the last part, if that is one. */
function realOf(path: string): string {
  return join(realpathSync(dirname(path)), basename(path))
}

/** `owners`: of the folders above. */
function faultOf(path: string, isOurs: (stats: Stats) => boolean, owners: readonly number[]): string | undefined {
  const found = lstatSync(path)
  if (!found.isDirectory()) return `${path} is no folder`
  if (!isOurs(found)) return `${path} is somebody else's, or open to others`
  const [parent = path, ...further] = above(path)
  const isShut = ({ uid, mode }: Stats) => owners.includes(uid) && (mode & 0o022) === 0
  const open = isShut(statSync(parent)) ? further.find((folder) => !isFirm(statSync(folder), owners)) : parent
  return open === undefined ? undefined : `others may write into ${open}`
}

function above(path: string): readonly string[] {
  const parent = dirname(path)
  return parent === path ? [] : [parent, ...above(parent)]
}

/** What is in it stays in its place: strangers may not write there, or not touch what is not theirs. A user's own group is no stranger. */
function isFirm({ uid, mode }: Stats, owners: readonly number[]): boolean {
  const isSticky = (mode & 0o1000) !== 0
  return owners.includes(uid) && ((mode & 0o002) === 0 || isSticky)
}

function removeEmpty(path: string, uppermost: string | undefined): void {
  if (uppermost === undefined) return
  try {
    // Node makes one for its version.
    for (const name of readdirSync(path)) rmdirSync(join(path, name))
    for (let folder = path; ; folder = dirname(folder)) {
      rmdirSync(folder)
      if (folder === uppermost) return
    }
  } catch {
    // Something is in it by now.
  }
}
